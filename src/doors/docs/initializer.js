// Starts Swagger UI. In the sandbox, requests that need a signature get one on their way out, so
// that "Try it out" makes a real sale: the server completes every field that says "auto".
const sandbox = {{sandbox}};

async function sign(request) {
  const address = new URL(request.url, location.href);
  const signed = /^\/(paynet\/)?(mapi|api)\/|\/services\//.test(address.pathname);
  if (!sandbox || !signed || request.headers.Authorization) return request;
  // Of a GET the query is signed, and goes out as it is.
  const asks = request.method.toUpperCase() === "GET";
  const what = new URLSearchParams({ url: address.href, method: asks ? "GET" : "POST" });
  const answer = await fetch("/sandbox/sign?" + what, {
    method: "POST",
    headers: { "Content-Type": "application/x-www-form-urlencoded" },
    body: asks ? address.search.slice(1) : request.body,
  });
  if (!answer.ok) throw new Error(await answer.text());
  const { authorization, body } = await answer.json();
  request.headers.Authorization = authorization;
  if (!asks) request.body = body;
  return request;
}

window.onload = () => {
  window.ui = SwaggerUIBundle({
    url: "/openapi.json",
    dom_id: "#swagger-ui",
    deepLinking: true,
    tryItOutEnabled: true,
    presets: [SwaggerUIBundle.presets.apis],
    requestInterceptor: sign,
  });
};
