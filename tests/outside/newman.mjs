// Runs the Postman collection against a fresh sandbox: node newman.mjs [path of tillgate]
import { createRequire } from "node:module";
import newman from "newman";
import { withSandbox } from "./dev.mjs";

const load = createRequire(import.meta.url);
const collection = load("../../postman/tillgate.postman_collection.json");
const environment = load("../../postman/sandbox.postman_environment.json");

/** How many different assertions the collection has; polling repeats some of them. */
const ASSERTIONS = 231;

/** The committed environment with what this sandbox printed. */
function environmentOf(ready) {
  const terminal = (dialect) => ready.terminals.find((known) => known.dialect === dialect);
  const printed = {
    base_url: ready.base_url,
    endpoint_id: ready.endpoint_id,
    group_id: ready.group_id,
    login: ready.login,
    control_key: ready.control_key,
    reader_serial: ready.readers[0].serial,
    callback_inbox_url: ready.callback_inbox_url,
    xml_terminal: terminal("xml31").poi_id,
    json_terminal: terminal("json").poi_id,
    terminal_key: terminal("json").api_key,
  };
  const values = environment.values.map((entry) => {
    if (!(entry.key in printed)) throw new Error(`nothing is known of the variable ${entry.key}`);
    return { ...entry, value: printed[entry.key] };
  });
  return { ...environment, values };
}

function runCollection(ready) {
  const options = {
    collection,
    environment: environmentOf(ready),
    timeout: 120_000,
    timeoutRequest: 30_000,
  };
  // The summary does not know of scripts that threw while something was still under way.
  const thrown = [];
  return new Promise((resolve, reject) => {
    newman
      .run(options, (error, summary) => {
        if (error) reject(error);
        else resolve({ run: summary.run, thrown });
      })
      .on("exception", (_, { error }) => thrown.push(error));
  });
}

/** What passed, by request and sentence, and what failed, in words. */
function judge({ run, thrown }) {
  const passed = new Set();
  for (const { item, assertions = [] } of run.executions) {
    for (const { assertion, error, skipped } of assertions) {
      if (!error && !skipped) passed.add(`${item.name}: ${assertion}`);
    }
  }
  // Failed assertions, requests that got no answer, and scripts that threw.
  const failed = run.failures.map(({ source, error }) => {
    return `${source?.name ?? "the run"}: ${error.test ?? error.name}: ${error.message}`;
  });
  failed.push(...thrown.map((error) => `a script: ${error.name}: ${error.message}`));
  if (run.error) failed.push(`the run broke off: ${run.error.message}`);
  if (passed.size < ASSERTIONS && failed.length === 0) {
    failed.push(`only ${passed.size} of ${ASSERTIONS} assertions were made`);
  }
  return { passed, failed };
}

const failures = await withSandbox(async (ready) => {
  const { passed, failed } = judge(await runCollection(ready));
  for (const sentence of passed) console.log(`ok      ${sentence}`);
  for (const sentence of failed) console.error(`FAILED  ${sentence}`);
  console.log(`newman: ${passed.size} passed, ${failed.length} failed`);
  return failed.length;
});
process.exitCode = failures > 0 ? 1 : 0;
