// The scripts of the installed libraries, one a line: library, name, body in hexadecimal.

import { createRequire } from "node:module";
import { readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";

const require = createRequire(import.meta.url);
const tell = (library, name, body) => console.log([library, name, Buffer.from(body).toString("hex")].join("\t"));

/** Strings between backticks, by the name of the constant that holds them. */
function* constants(file) {
  const source = readFileSync(file, "utf8");
  for (const [, name, text] of source.matchAll(/(?:const|var) (\w*(?:Script|SCRIPT)\w*) = `([^`]*)`/g)) {
    // As JavaScript reads it: lines that end in a backslash, and the one number that is filled in.
    yield [name, text.replaceAll("\\\n", "").replace("${tokenBucketIdentifierNotFound}", "-1")];
  }
}

const bullmq = dirname(require.resolve("bullmq"));
for (const script of Object.values(require(join(bullmq, "scripts", "index.js")))) {
  // "relay" is a service of its own, with keys of its own.
  if (script.content && !script.name.startsWith("relay")) tell("BullMQ", script.name, script.content);
}

const redlock = require.resolve("redlock");
for (const [name, body] of constants(redlock)) tell("Redlock", name, body);

const ratelimit = require.resolve("@upstash/ratelimit");
for (const [name, body] of constants(ratelimit)) tell("@upstash/ratelimit", name, body);

const flexible = dirname(require.resolve("rate-limiter-flexible"));
const folder = readdirSync(flexible).includes("lib") ? join(flexible, "lib") : flexible;
for (const file of ["RateLimiterRedis.js", "RateLimiterValkey.js"]) {
  for (const [name, body] of constants(join(folder, file))) tell("rate-limiter-flexible", name, body);
}
