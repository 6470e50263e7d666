// A sandbox for one test: `tillgate dev` on a free port with a database of its own.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

const START_TIMEOUT_MS = 20_000;
const STOP_TIMEOUT_MS = 20_000;

/** The program to test: the first argument, or TILLGATE_BIN. */
export function binary() {
  const path = process.argv[2] ?? process.env.TILLGATE_BIN;
  if (!path) throw new Error("name the tillgate binary, as an argument or in TILLGATE_BIN");
  return path;
}

/**
 * Runs `work` against a fresh sandbox and stops it, whatever happens. `work` gets the ready line
 * and gives the number of its failures; the log is shown when there are any.
 */
export async function withSandbox(work) {
  const child = spawn(binary(), ["dev", "--ephemeral", "--port", "0", "--json", "--log", "warn"], {
    env: { ...process.env, NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  const ended = new Promise((resolve) => {
    child.once("error", (error) => resolve(`cannot start: ${error.message}`));
    child.once("close", (code, signal) => resolve(code ?? signal));
  });
  let log = "";
  child.stderr.on("data", (text) => (log += text));
  let failures = 1;
  try {
    failures = await work(await readyLine(child, ended));
    const code = await stop(child, ended);
    if (code !== 0) {
      failures += 1;
      console.error(`FAILED  the sandbox ended with ${code}`);
    }
  } finally {
    kill();
    process.removeListener("exit", kill);
    if (failures > 0) console.error(`--- log of the sandbox ---\n${log}`);
  }
  return failures;
}

async function readyLine(child, ended) {
  const lines = createInterface({ input: child.stdout });
  const first = once(lines, "line").then(([line]) => JSON.parse(line));
  const early = ended.then((how) => {
    throw new Error(`the sandbox ended before it was ready: ${how}`);
  });
  return within(START_TIMEOUT_MS, "the sandbox did not become ready", [first, early]);
}

function stop(child, ended) {
  child.kill("SIGTERM");
  return within(STOP_TIMEOUT_MS, "the sandbox did not stop", [ended]);
}

async function within(milliseconds, complaint, promises) {
  let timer;
  const timeout = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(complaint)), milliseconds);
  });
  try {
    return await Promise.race([...promises, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
