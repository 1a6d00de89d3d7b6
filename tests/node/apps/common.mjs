// What the application scripts share: the address, the marker, waiting with a bound.

export const REDIS_URL = process.env.REDIS_URL;
export const secret = (name) => `PLAINTEXT-MARKER ${name}`;

// Long enough for a busy machine; every wait has it.
export const PATIENCE = 30_000;

export const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

export async function waitUntil(what, ready) {
  for (const end = Date.now() + PATIENCE; !(await ready()); await pause(20)) {
    if (Date.now() > end) throw new Error(`waited in vain: ${what}`);
  }
}

// Whatever hangs, the script ends.
setTimeout(() => { console.error("the script did not end in time"); process.exit(1); }, 2 * PATIENCE).unref();
