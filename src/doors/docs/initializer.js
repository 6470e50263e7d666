// Starts Swagger UI. In the sandbox, requests that need a signature get one on their way out, so
// that "Try it out" makes a real sale: the server completes every field that says "auto".
const sandbox = {{sandbox}};

async function sign(request) {
  const path = new URL(request.url, location.href).pathname;
  const signed = /^\/(paynet\/)?(mapi|api)\//.test(path);
  if (!sandbox || !signed || request.headers.Authorization) return request;
  const address = new URL(request.url, location.href).href;
  const answer = await fetch("/sandbox/sign?url=" + encodeURIComponent(address), {
    method: "POST",
    headers: { "Content-Type": "application/x-www-form-urlencoded" },
    body: request.body,
  });
  if (!answer.ok) throw new Error(await answer.text());
  const { authorization, body } = await answer.json();
  request.headers.Authorization = authorization;
  request.body = body;
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
