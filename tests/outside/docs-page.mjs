// Makes a sale on the docs page, in a real browser: node docs-page.mjs [path of tillgate]
import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { chromium } from "playwright-core";
import { Checks } from "./checks.mjs";
import { withSandbox } from "./dev.mjs";

const CHROMIUM = "/usr/bin/chromium";
const CHROMIUM_ARGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const PAGE_TIMEOUT_MS = 20_000;
const POLL_INTERVAL_MS = 250;
const POLLS_MAX = 40;

/** What a person would type into the form of a sale; the other fields are left empty. */
const saleFields = (ready) => ({
  client_orderid: "auto",
  order_desc: "Coffee & cake",
  amount: "10.42",
  currency: "RUB",
  address1: "no-address",
  city: "Moscow",
  zip_code: "123000",
  country: "RU",
  email: "john.smith@example.com",
  ipaddress: "127.0.0.1",
  "phone-id": "F5769D0E-DD15-459B-AED1-E1F9F05A2495",
  "encrypted-type": "sim",
  "encrypted-data": "auto",
  server_callback_url: ready.callback_inbox_url,
});

/** Unfolds an operation, fills its form and presses Execute; gives the text of the answer. */
async function tryOut(page, operation, path, fields) {
  const block = page.locator(`#operations-mPOS_API-${operation}`);
  const summary = block.locator("button.opblock-summary-control");
  await summary.focus();
  await page.keyboard.press("Enter");
  for (const [name, value] of Object.entries(path)) {
    await block.locator(`tr[data-param-name="${name}"] input`).fill(value);
  }
  const rows = block.locator("tr[data-property-name]");
  await rows.first().waitFor();
  const names = await rows.evaluateAll((all) => all.map((row) => row.dataset.propertyName));
  const unknown = Object.keys(fields).filter((name) => !names.includes(name));
  if (unknown.length > 0) throw new Error(`the form has no field ${unknown.join(", ")}`);
  for (const name of names) {
    const input = block.locator(`tr[data-property-name="${name}"] input[type="text"]`);
    await input.fill(fields[name] ?? "");
  }
  const execute = block.locator("button.execute");
  await execute.focus();
  await page.keyboard.press("Enter");
  const answer = block.locator(".live-responses-table .response");
  await answer.waitFor();
  return {
    code: (await answer.locator(".response-col_status").innerText()).trim(),
    text: await answer.locator(".response-col_description pre.microlight").first().innerText(),
  };
}

/** The pairs of an answer, each on a line of its own. */
function pairsOf(text) {
  return Object.fromEntries(new URLSearchParams(text.replaceAll("\n", "")));
}

const sha1 = (text) => createHash("sha1").update(text, "utf8").digest("hex");

/** Asks for the status as a merchant's server does, until it is final. */
async function finalStatus(ready, clientOrderid, orderid) {
  const control = sha1(ready.login + clientOrderid + orderid + ready.control_key);
  const form = { login: ready.login, client_orderid: clientOrderid, orderid, control };
  const address = `${ready.base_url}/api/v2/status/${ready.endpoint_id}`;
  for (let poll = 0; ; poll += 1) {
    const answer = await fetch(address, { method: "POST", body: new URLSearchParams(form) });
    const pairs = pairsOf(await answer.text());
    if (pairs.status !== "processing" || poll === POLLS_MAX) return pairs;
    await sleep(POLL_INTERVAL_MS);
  }
}

/** The callbacks of an order, once there are any. */
async function callbacksOf(ready, orderid) {
  for (let poll = 0; ; poll += 1) {
    const all = await (await fetch(`${ready.base_url}/sandbox/callbacks`)).json();
    const ours = all.filter(({ query }) => query.orderid === orderid);
    if (ours.length > 0 || poll === POLLS_MAX) return ours;
    await sleep(POLL_INTERVAL_MS);
  }
}

async function sellOnThePage(page, ready, checks) {
  await page.goto(ready.docs_url);
  await page.locator("#operations-mPOS_API-sale").waitFor();
  checks.that("The page names the program", (await page.innerText(".title")).includes("tillgate"));

  const endpoint = { endpoint: ready.endpoint_id };
  const sent = page.waitForRequest((request) => request.url().includes("/mapi/v1/sale/"));
  const [sale, request] = await Promise.all([
    tryOut(page, "sale", endpoint, saleFields(ready)),
    sent,
  ]);
  const form = new URLSearchParams(request.postData());
  const header = request.headers().authorization ?? "none";
  checks.that("The page signs the sale", header.startsWith("OAuth "), header);
  checks.that(
    "The server completes the fields that say auto",
    /^[0-9A-F]{100,}$/.test(form.get("encrypted-data")) && form.get("client_orderid") !== "auto",
    form.toString(),
  );
  checks.that("The page shows HTTP 200", sale.code === "200", sale.code);
  checks.that(
    "The page shows type=async-response",
    sale.text.includes("type=async-response"),
    sale.text,
  );
  const accepted = pairsOf(sale.text);
  const [name, order] = [accepted["merchant-order-id"], accepted["paynet-order-id"]];
  checks.that("The page shows the number of the order", /^[1-9]\d*$/.test(order), sale.text);
  checks.that("The page shows the order's own name", name === form.get("client_orderid"), name);

  const final = await finalStatus(ready, name, order);
  checks.that("The sale is approved", final.status === "approved", JSON.stringify(final));
  checks.that("It is the sale of the form", final.amount === "10.42", final.amount);

  const [callback, ...more] = await callbacksOf(ready, order);
  const control = sha1(`approved${order}${name}${ready.control_key}`);
  checks.that("One callback came", callback !== undefined && more.length === 0);
  checks.that(
    "The callback is approved and has the right control",
    callback?.query.status === "approved" && callback.query.control === control,
    JSON.stringify(callback),
  );

  const question = { login: "auto", client_orderid: name, orderid: order, control: "auto" };
  const status = await tryOut(page, "status", endpoint, question);
  checks.that(
    "The page shows the status, too",
    pairsOf(status.text).status === "approved",
    status.text,
  );
}

async function test(ready) {
  const checks = new Checks();
  const requested = [];
  const complaints = [];
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: CHROMIUM_ARGS });
  try {
    const page = await browser.newPage();
    page.setDefaultTimeout(PAGE_TIMEOUT_MS);
    page.on("request", (request) => requested.push(request.url()));
    page.on("websocket", (socket) => requested.push(socket.url()));
    page.on("pageerror", (error) => complaints.push(error.message));
    page.on("console", (message) => {
      if (message.type() === "error") complaints.push(message.text());
    });
    await sellOnThePage(page, ready, checks);
  } catch (error) {
    checks.that("The test comes to its end", false, error.message);
  } finally {
    await browser.close();
  }
  const inside = /^(data|blob):/;
  const away = requested.filter((url) => {
    return !inside.test(url) && new URL(url).hostname !== "127.0.0.1";
  });
  checks.that(
    `None of ${requested.length} requests leaves 127.0.0.1`,
    requested.length > 0 && away.length === 0,
    away.join(" "),
  );
  checks.that("The browser has no complaints", complaints.length === 0, complaints.join("; "));
  console.log(`docs-page: ${checks.passed} passed, ${checks.failed} failed`);
  return checks.failed;
}

const failures = await withSandbox(test);
process.exitCode = failures > 0 ? 1 : 0;
