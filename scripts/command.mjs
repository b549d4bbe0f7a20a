// Runs a command to its end or to its time-out, keeps the tail of what it printed, and leaves no process behind.
import { spawn } from "node:child_process";

const outputCharsMax = 200_000;
const running = new Set();

/** Resolves with `{ ok, output, timedOut }`; never rejects. */
export function command(program, args, { cwd, env, timeoutMs, echo = false }) {
  const child = spawn(program, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
    detached: process.platform !== "win32",
  });
  running.add(child);
  let output = "";
  let timedOut = false;
  const keep = (chunk) => {
    output = (output + chunk).slice(-outputCharsMax);
    if (echo) process.stdout.write(chunk);
  };
  child.stdout.setEncoding("utf8").on("data", keep);
  child.stderr.setEncoding("utf8").on("data", keep);
  const timer = setTimeout(() => {
    timedOut = true;
    keep(`\nstopped: not done after ${timeoutMs / 1000} s\n`);
    stop(child);
  }, timeoutMs);
  return new Promise((resolve) => {
    const settle = (ok) => {
      clearTimeout(timer);
      running.delete(child);
      resolve({ ok, output, timedOut });
    };
    child.on("error", (error) => {
      keep(`${error.message}\n`);
      settle(false);
    });
    // "exit", not "close": a grandchild that lives on would keep the pipes open.
    child.on("exit", (code) => setTimeout(settle, 50, code === 0 && !timedOut));
  });
}

/** Asks first, so that test runners can close their browsers, then insists. */
export function stop(child) {
  signal(child, "SIGTERM");
  setTimeout(signal, 5_000, child, "SIGKILL").unref();
}

function signal(child, name) {
  try {
    if (process.platform === "win32") child.kill(name);
    else process.kill(-child.pid, name);
  } catch {
    // It is gone already.
  }
}

/** Ctrl-C stops what is running and then us. */
export function stopOnSignals() {
  for (const name of ["SIGINT", "SIGTERM"]) {
    process.once(name, () => {
      for (const child of running) signal(child, "SIGTERM");
      setTimeout(() => process.exit(130), 1_000);
    });
  }
}
