// Opens the console in headless Chromium, over its DevTools protocol, and checks what a person would see: numbers, plots,
// no error, nothing from elsewhere, no sideways scrolling at 320 px, a name for everything that can be used.
//
//   node console.mjs http://127.0.0.1:6390/ [FOLDER FOR SCREENSHOTS]

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const [address, folder] = process.argv.slice(2);
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const profile = mkdtempSync(join(tmpdir(), "console-"));
// So that the plots of a picture have something to show.
const longer = Number(process.env.WAXSEAL_CONSOLE_WAIT ?? 0) * 1000;
const problems = [];
const check = (fine, what) => { if (!fine) problems.push(what); };

// Root, as in containers, may not use Chromium's own sandbox.
const browser = spawn("chromium", [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--hide-scrollbars", "--remote-debugging-pipe", `--user-data-dir=${profile}`, "about:blank",
], { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
browser.on("error", (error) => { console.error(`chromium: ${error.message}. Run \`make setup\` once.`); process.exit(1); });
// Whatever happens, neither outlives this.
const limit = setTimeout(() => { console.error("took too long"); browser.kill("SIGKILL"); process.exit(1); }, 120_000 + longer);

// Messages end with a NUL.
const [, , , requests, answers] = browser.stdio;
let next = 0;
const waiting = new Map();
const events = [];
let text = "";
answers.setEncoding("utf8").on("data", (more) => {
  const messages = (text + more).split("\0");
  text = messages.pop();
  for (const message of messages.map((one) => JSON.parse(one))) {
    if (message.id === undefined) events.push(message);
    else waiting.get(message.id)(message);
    waiting.delete(message.id);
  }
});
let session;
const send = (method, params = {}) => new Promise((done, failed) => {
  const id = ++next;
  waiting.set(id, ({ result, error }) => (error ? failed(new Error(`${method}: ${error.message}`)) : done(result)));
  requests.write(`${JSON.stringify({ id, method, params, ...(session && { sessionId: session }) })}\0`);
});
const run = async (expression) => {
  const { result, exceptionDetails } = await send("Runtime.evaluate", { expression, returnByValue: true, awaitPromise: true });
  if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
  return result.value;
};
const until = async (what, expression) => {
  for (let tries = 0; tries < 100; tries++) {
    // While the page loads there is nothing to ask.
    if (await run(expression).catch(() => false)) return;
    await sleep(200);
  }
  problems.push(`waited in vain: ${what}`);
};
const shot = async (name) => {
  if (!folder) return;
  const { data } = await send("Page.captureScreenshot", { format: "png" });
  writeFileSync(join(folder, name), Buffer.from(data, "base64"));
};
const look = async (width, scheme) => {
  await send("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: scheme }] });
  await send("Emulation.setDeviceMetricsOverride", { width, height: 900, deviceScaleFactor: 1, mobile: false });
  await sleep(1500);
  if (!folder) return;
  const height = await run("document.documentElement.scrollHeight");
  await send("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile: false });
  await sleep(300);
};
const press = async (key, code) => {
  for (const type of ["keyDown", "keyUp"]) {
    await send("Input.dispatchKeyEvent", { type, key, code: key, windowsVirtualKeyCode: code, ...(key === "Enter" && type === "keyDown" && { text: "\r" }) });
  }
};

try {
  const { targetId } = await send("Target.createTarget", { url: "about:blank" });
  ({ sessionId: session } = await send("Target.attachToTarget", { targetId, flatten: true }));
  for (const domain of ["Page", "Runtime", "Network", "Log", "Accessibility"]) await send(`${domain}.enable`);
  await send("Emulation.setDeviceMetricsOverride", { width: 1280, height: 900, deviceScaleFactor: 1, mobile: false });
  await send("Page.navigate", { url: address });

  const shown = (id) => `document.getElementById("${id}").textContent`;
  await until("it says that the sidecar is ready", `${shown("state")} === "Ready"`);
  await until("commands per second", `/^[1-9]/.test(document.querySelector("#tiles dd").textContent)`);
  await until("lines in three plots", `["traffic", "latency", "share"].every((id) => document.querySelector("#" + id + " path").getAttribute("d")?.includes("L"))`);
  await sleep(longer);

  check((await run(shown("split"))).match(/[µm]s/g)?.length === 6, `times of three parts: ${await run(shown("split"))}`);
  check(/active/.test(await run(shown("keys"))), "the keys of the keyring");
  check(/shared/.test(await run(shown("lanes"))), "the connections");
  check((await run(shown("alerts"))) === "None.", "no alerts");
  check(await run(`document.querySelector("#traffic > svg").getAttribute("aria-label").includes("now")`), "the plot in words");

  for (const width of [320, 768, 1280]) {
    for (const scheme of ["light", "dark"]) {
      await look(width, scheme);
      const across = await run("document.scrollingElement.scrollWidth");
      check(across <= width, `at ${width} px the page is ${across} px wide`);
      await shot(`console-${width}-${scheme}.png`);
    }
  }

  // That of the documentation.
  await look(960, "light");
  await send("Emulation.setDeviceMetricsOverride", { width: 960, height: 1010, deviceScaleFactor: 1, mobile: false });
  await sleep(1500);
  await shot("console.png");

  // By keyboard alone: past the link to the numbers to the button, which stops the page and starts it again.
  await send("Emulation.setDeviceMetricsOverride", { width: 1280, height: 900, deviceScaleFactor: 1, mobile: false });
  await run(`document.activeElement.blur(); scrollTo(0, 0)`);
  await press("Tab", 9);
  check(await run(`document.activeElement.className === "skip"`), "the first stop is the link past the header");
  await press("Tab", 9);
  check(await run(`document.activeElement.id === "pause"`), "the second is the button");
  check(await run(`getComputedStyle(document.activeElement).outlineStyle !== "none"`), "where the keyboard is can be seen");
  await press("Enter", 13);
  check(await run(`document.getElementById("pause").getAttribute("aria-pressed") === "true"`), "Enter pauses");
  await press("Enter", 13);
  for (const id of ["traffic", "latency", "share", "refusals"]) {
    await press("Tab", 9);
    await press("Enter", 13);
    await until(`the table of ${id}`, `document.querySelectorAll("#${id} tbody tr").length > 0 && document.querySelector("#${id} details").open`);
  }

  // What assistive technology is told: nothing that can be used or is a picture is without a name.
  const { nodes } = await send("Accessibility.getFullAXTree");
  const roles = new Set(nodes.filter((node) => !node.ignored).map((node) => node.role?.value));
  for (const role of ["banner", "main", "contentinfo", "heading", "table", "image", "button", "textbox"]) {
    check(roles.has(role), `nothing has the role ${role}`);
  }
  for (const { role, name, ignored } of nodes) {
    const needs = ["button", "link", "textbox", "image", "table", "region"].includes(role?.value);
    check(ignored || !needs || name?.value || role.value === "table", `a ${role?.value} has no name`);
  }

  // The form changes the log's levels.
  await run(`document.getElementById("levels").focus(); document.getElementById("levels").value = "warn,waxseal::server=info"`);
  await press("Enter", 13);
  await until("the levels are set", `${shown("log-answer")}.startsWith("Set to warn,waxseal::server=info")`);
  await run(`document.getElementById("levels").value = "loud"; document.getElementById("log").requestSubmit()`);
  await until("wrong levels are refused", `${shown("log-answer")}.startsWith("Not changed: send a level")`);

  const origin = new URL(address).origin;
  for (const { method, params } of events) {
    if (method === "Runtime.exceptionThrown") problems.push(`exception: ${params.exceptionDetails.exception?.description}`);
    if (method === "Runtime.consoleAPICalled") problems.push(`console: ${JSON.stringify(params.args)}`);
    // The browser logs an error for the refused levels, which is as it should be.
    if (method === "Log.entryAdded" && !params.entry.url?.endsWith("/log")) problems.push(`log: ${params.entry.text} ${params.entry.url}`);
    if (method === "Network.requestWillBeSent" && !params.request.url.startsWith(`${origin}/`)) problems.push(`asked elsewhere: ${params.request.url}`);
  }
} catch (error) {
  problems.push(error.message);
} finally {
  session = undefined;
  await Promise.race([send("Browser.close").catch(() => {}), sleep(2000)]);
  browser.kill("SIGKILL");
  clearTimeout(limit);
  await sleep(200);
  rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
}
for (const problem of problems) console.error(problem);
console.log(problems.length === 0 ? "the console is as it should be" : `${problems.length} problems`);
process.exit(problems.length === 0 ? 0 : 1);
