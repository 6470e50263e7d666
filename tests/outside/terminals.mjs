// Speaks to terminals as points of sale of the JSON family do, with the client library that they
// use: node terminals.mjs [path of tillgate]
//
// The library speaks HTTPS to its vendor's addresses only; here its HTTP client is another one,
// which takes the same requests to the sandbox.
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import library from "@adyen/api-library";
import { Checks } from "./checks.mjs";
import { withSandbox } from "./dev.mjs";

const { Client, CloudDeviceAPI, EnvironmentEnum, TerminalCloudAPI, TerminalLocalAPI } = library;

const POLL_INTERVAL_MS = 200;
const POLLS_MAX = 100;
const WEBHOOK_TIMEOUT_MS = 20_000;
const OPEN_TERMINAL = "SIM-JSON-1";
const PROTECTED_TERMINAL = "SIM-JSON-2";
const SECURITY_KEY = {
  AdyenCryptoVersion: 1,
  KeyIdentifier: "sandbox",
  KeyVersion: 1,
  Passphrase: "sandbox passphrase",
};

/** Sends what the library wants to send, to the sandbox; remembers the last answer as it came. */
class Wire {
  answered = "";

  constructor(base) {
    this.base = base;
  }

  async request(endpoint, body, config, _isKeyRequired, options = {}) {
    const { pathname } = new URL(endpoint);
    const method = options.method ?? "POST";
    const headers = { "Content-Type": "application/json", "X-API-Key": config.apiKey };
    const sent = method === "GET" ? { method, headers } : { method, headers, body };
    const answer = await fetch(this.base + pathname, sent);
    this.answered = await answer.text();
    if (!answer.ok) throw Object.assign(new Error(this.answered), { statusCode: answer.status });
    return this.answered;
  }
}

function clientOf(ready, apiKey = "sandbox") {
  const client = new Client({ apiKey, environment: EnvironmentEnum.TEST });
  client.httpClient = new Wire(ready.base_url);
  // The constructor overwrites it. The port is the library's own.
  client.config.terminalApiCloudEndpoint = ready.base_url;
  client.config.terminalApiLocalEndpoint = "https://127.0.0.1";
  return client;
}

/** A request of the class Service with a number of its own. */
function request(poi, category, body) {
  const header = {
    ProtocolVersion: "3.0",
    MessageClass: "Service",
    MessageCategory: category,
    MessageType: "Request",
    ServiceID: String(randomInt(1_000_000_000, 9_999_999_999)),
    SaleID: "Till 07 (Bar)",
    POIID: poi,
  };
  return { SaleToPOIRequest: { MessageHeader: header, [`${category}Request`]: body } };
}

function payment(poi, amount) {
  return request(poi, "Payment", {
    SaleData: { SaleTransactionID: { TransactionID: "order-1", TimeStamp: new Date().toISOString() } },
    PaymentTransaction: { AmountsReq: { Currency: "EUR", RequestedAmount: amount } },
  });
}

function referenceTo({ SaleToPOIRequest }) {
  const { ServiceID, SaleID, POIID } = SaleToPOIRequest.MessageHeader;
  return { MessageReference: { MessageCategory: "Payment", ServiceID, SaleID, POIID } };
}

const statusOf = (asked, poi) => request(poi, "TransactionStatus", referenceTo(asked));
const abortOf = (asked, poi) =>
  request(poi, "Abort", { AbortReason: "MerchantAbort", ...referenceTo(asked) });

function reversal(poi, paid, amount) {
  return request(poi, "Reversal", {
    OriginalPOITransaction: { POITransactionID: paid.POIData.POITransactionID },
    ReversalReason: "MerchantCancel",
    ReversedAmount: amount,
    SaleData: {
      SaleToAcquirerData: "currency=EUR",
      SaleTransactionID: { TransactionID: "refund-1", TimeStamp: new Date().toISOString() },
    },
  });
}

const paidIn = (answer) => answer.SaleToPOIResponse?.PaymentResponse;
const told = (answer) => JSON.stringify(answer);

async function payments(checks, ready) {
  const terminal = new TerminalCloudAPI(clientOf(ready));
  const asked = payment(OPEN_TERMINAL, 14.95);
  const paid = paidIn(await terminal.sync(asked));
  checks.that("a payment is approved", paid?.Response.Result === "Success", told(paid));
  const { AmountsResp, PaymentInstrumentData } = paid.PaymentResult;
  checks.that("the amount is a number", AmountsResp.AuthorizedAmount === 14.95, told(AmountsResp));
  const { MaskedPan } = PaymentInstrumentData.CardData;
  checks.that("the library knows the masked PAN", /^444455 \*{4} 1111$/.test(MaskedPan), MaskedPan);
  checks.that("there are two receipts", paid.PaymentReceipt.length === 2);

  const again = paidIn(await terminal.sync(asked));
  checks.that("the same request has the same answer", told(again) === told(paid), told(again));
  const found = await terminal.sync(statusOf(asked, OPEN_TERMINAL));
  const status = found.SaleToPOIResponse.TransactionStatusResponse;
  const repeated = status.RepeatedMessageResponse?.RepeatedResponseMessageBody.PaymentResponse;
  checks.that("the status tells the whole answer", told(repeated) === told(paid), told(found));

  const declined = paidIn(await terminal.sync(payment(OPEN_TERMINAL, 11.24))).Response;
  const reason = new URLSearchParams(declined.AdditionalResponse).get("refusalReason");
  checks.that("an amount that ends in 124 is refused", declined.ErrorCondition === "Refusal" && reason, told(declined));

  for (const [amount, expected] of [[5, "Success"], [9.95, "Success"], [0.01, "Failure"]]) {
    const answer = await terminal.sync(reversal(OPEN_TERMINAL, paid, amount));
    const { Response } = answer.SaleToPOIResponse.ReversalResponse;
    const sentence = `${amount} of 14.95 is taken back: ${expected}`;
    checks.that(sentence, Response.Result === expected, told(answer));
  }
}

async function abort(checks, ready) {
  const terminal = new TerminalCloudAPI(clientOf(ready));
  const asked = payment(OPEN_TERMINAL, 9.07);
  const waiting = terminal.sync(asked);
  const condition = async () => {
    const answer = await terminal.sync(statusOf(asked, OPEN_TERMINAL));
    return answer.SaleToPOIResponse.TransactionStatusResponse.Response.ErrorCondition;
  };
  let seen;
  for (let poll = 0; poll < POLLS_MAX && seen !== "InProgress"; poll += 1) {
    await sleep(POLL_INTERVAL_MS);
    seen = await condition();
  }
  checks.that("a payment that waits is in progress", seen === "InProgress", seen);
  const second = paidIn(await terminal.sync(payment(OPEN_TERMINAL, 1))).Response;
  checks.that("a second one is told that it is busy", second.ErrorCondition === "Busy", told(second));
  // A number that nobody has must stop nothing.
  await terminal.sync(abortOf(payment(OPEN_TERMINAL, 9.07), OPEN_TERMINAL));
  checks.that("an abort of another service stops nothing", (await condition()) === "InProgress");
  await terminal.sync(abortOf(asked, OPEN_TERMINAL));
  const ended = paidIn(await waiting).Response;
  checks.that("an abort ends it", ended.ErrorCondition === "Aborted", told(ended));
}

/** A webhook server of a point of sale: gives the messages that come to it, one by one. */
async function webhooks() {
  const come = [];
  const waiting = [];
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const piece of request) body += piece;
    response.end("[accepted]");
    const message = JSON.parse(body);
    const next = waiting.shift();
    if (next) next(message);
    else come.push(message);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const late = () => sleep(WEBHOOK_TIMEOUT_MS, undefined, { ref: false }).then(() => ({}));
  const next = () =>
    come.length > 0 ? come.shift() : Promise.race([new Promise((hear) => waiting.push(hear)), late()]);
  return { url: `http://127.0.0.1:${server.address().port}/nexo`, next, close: () => server.close() };
}

async function operate(ready, path, body) {
  const headers = { Authorization: "Bearer sandbox", "Content-Type": "application/json" };
  const sent = { method: "PATCH", headers, body: JSON.stringify(body) };
  const answer = await fetch(`${ready.base_url}/admin/v1/${path}`, sent);
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
}

async function later(checks, ready) {
  const listener = await webhooks();
  await operate(ready, `terminals/${OPEN_TERMINAL}`, { listener_url: listener.url });
  const terminal = new TerminalCloudAPI(clientOf(ready));
  const asked = payment(OPEN_TERMINAL, 20);
  const answer = await terminal.async(asked);
  checks.that("an asynchronous request is acknowledged", answer === "ok", told(answer));
  const events = [];
  let message = await listener.next();
  while (message.SaleToPOIRequest) {
    const { DisplayOutput } = message.SaleToPOIRequest.DisplayRequest ?? {};
    const reference = DisplayOutput?.[0].OutputContent.PredefinedContent.ReferenceID;
    events.push(new URLSearchParams(reference).get("event"));
    message = await listener.next();
  }
  const shown = events.join(" ");
  checks.that("the listener hears what is shown", shown === "TENDER_CREATED CARD_PRESENTED TENDER_FINAL", shown);
  const paid = paidIn(message);
  checks.that("the answer comes to the listener", paid?.Response.Result === "Success", told(message));
  const { ServiceID } = asked.SaleToPOIRequest.MessageHeader;
  const header = message.SaleToPOIResponse?.MessageHeader;
  checks.that("it names the service that it answers", header?.ServiceID === ServiceID, told(header));
  await operate(ready, `terminals/${OPEN_TERMINAL}`, { listener_url: "" });
  listener.close();
}

async function refusals(checks, ready) {
  const terminal = new TerminalCloudAPI(clientOf(ready));
  const { EventNotification } = (await terminal.sync(payment("NOBODY", 1))).SaleToPOIRequest ?? {};
  checks.that("an unknown terminal is a reject", EventNotification?.EventToNotify === "Reject", told(EventNotification));
  const stranger = new TerminalCloudAPI(clientOf(ready, "another key"));
  const { statusCode } = await stranger.sync(payment(OPEN_TERMINAL, 1)).catch((error) => error);
  checks.that("an unknown key is refused with 401", statusCode === 401, told(statusCode));
}

async function devices(checks, ready) {
  const api = new CloudDeviceAPI(clientOf(ready)).CloudDeviceApi;
  api.baseUrl = `${ready.base_url}/v1`;
  const { uniqueDeviceIds } = await api.getConnectedDevices("sandbox");
  checks.that("the terminals are listed", uniqueDeviceIds.includes(OPEN_TERMINAL), told(uniqueDeviceIds));
  const { status } = await api.getDeviceStatus("sandbox", OPEN_TERMINAL);
  checks.that("a terminal is online", status === "ONLINE", status);
  const paid = paidIn(await api.sync("sandbox", OPEN_TERMINAL, payment(OPEN_TERMINAL, 3)));
  checks.that("a payment at a device is approved", paid?.Response.Result === "Success", told(paid));
}

async function protectedPayments(checks, ready) {
  const client = clientOf(ready);
  const terminal = new TerminalLocalAPI(client);
  const asked = payment(PROTECTED_TERMINAL, 14.95);
  const paid = paidIn(await terminal.request(asked, SECURITY_KEY));
  checks.that("an encrypted payment is approved", paid?.Response.Result === "Success", told(paid));
  const { NexoBlob } = JSON.parse(client.httpClient.answered).SaleToPOIResponse;
  checks.that("its answer is encrypted", Boolean(NexoBlob), client.httpClient.answered);
  const found = await terminal.request(statusOf(asked, PROTECTED_TERMINAL), SECURITY_KEY);
  const status = found.SaleToPOIResponse.TransactionStatusResponse.Response;
  checks.that("so is its status", status.Result === "Success", told(status));
  const nothing = await terminal.request(abortOf(asked, PROTECTED_TERMINAL), SECURITY_KEY);
  checks.that("an abort has an empty answer", told(nothing) === "{}", told(nothing));

  const strangers = [
    ["a wrong passphrase", { ...SECURITY_KEY, Passphrase: "another passphrase" }],
    ["an unknown key", { ...SECURITY_KEY, KeyIdentifier: "another" }],
    ["another version of the key", { ...SECURITY_KEY, KeyVersion: 2 }],
  ];
  const answers = new Set();
  for (const [who, key] of strangers) {
    const refused = payment(PROTECTED_TERMINAL, 1);
    await terminal.request(refused, key).catch(() => undefined);
    const { EventNotification } = JSON.parse(client.httpClient.answered).SaleToPOIRequest ?? {};
    answers.add(EventNotification?.EventDetails);
    checks.that(`${who} is a reject`, EventNotification?.EventToNotify === "Reject", client.httpClient.answered);
    const unknown = await terminal.request(statusOf(refused, PROTECTED_TERMINAL), SECURITY_KEY);
    const { ErrorCondition } = unknown.SaleToPOIResponse.TransactionStatusResponse.Response;
    checks.that(`${who} pays nothing`, ErrorCondition === "NotFound", ErrorCondition);
  }
  checks.that("all are refused in the same words", answers.size === 1, [...answers].join(" | "));
}

const failures = await withSandbox(async (ready) => {
  const checks = new Checks();
  for (const part of [payments, abort, later, refusals, devices, protectedPayments]) {
    try {
      await part(checks, ready);
    } catch (error) {
      checks.that(part.name, false, error.stack);
    }
  }
  console.log(`terminals: ${checks.passed} passed, ${checks.failed} failed`);
  return checks.failed;
});
process.exitCode = failures > 0 ? 1 : 0;
