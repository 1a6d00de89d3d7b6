// Express with express-session and connect-redis, through real requests.

import assert from "node:assert/strict";
import { once } from "node:events";
import { RedisStore } from "connect-redis";
import express from "express";
import session from "express-session";
import { createClient } from "redis";
import { REDIS_URL, secret, waitUntil } from "./common.mjs";

const client = createClient({ url: REDIS_URL });
await client.connect();
const store = new RedisStore({ client, prefix: "web:", ttl: 1000 });

const app = express();
app.use(session({ store, secret: "only for tests", resave: false, saveUninitialized: false, rolling: true }));
app.get("/put/:item", (request, response) => {
  (request.session.basket ??= []).push(secret(request.params.item));
  response.json(request.session.basket);
});
app.get("/see", (request, response) => response.json(request.session.basket ?? null));
app.get("/for/:milliseconds", (request, response) => {
  request.session.cookie.maxAge = Number(request.params.milliseconds);
  response.json(null);
});
app.get("/new-id", (request, response, next) => {
  const { basket } = request.session;
  request.session.regenerate((error) => {
    request.session.basket = basket;
    error ? next(error) : response.json(null);
  });
});
app.get("/leave", (request, response, next) => {
  request.session.destroy((error) => (error ? next(error) : response.json(null)));
});

const server = app.listen(0, "127.0.0.1");
await once(server, "listening");
const { port } = server.address();

function browser() {
  let cookie = "";
  return async (path) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers: { cookie } });
    cookie = response.headers.get("set-cookie")?.split(";")[0] ?? cookie;
    assert.equal(response.status, 200, await response.clone().text());
    return response.json();
  };
}

const [one, two, brief] = [browser(), browser(), browser()];
assert.deepEqual(await one("/put/apple"), [secret("apple")]);
assert.deepEqual(await one("/put/pear"), [secret("apple"), secret("pear")]);
assert.equal(await two("/see"), null);
assert.deepEqual(await two("/put/fig"), [secret("fig")]);
await one("/new-id");
assert.deepEqual(await one("/see"), [secret("apple"), secret("pear")]);
await brief("/put/nut");
await brief("/for/100");
await waitUntil("the brief session expires", async () => (await store.length()) === 2);
assert.equal((await store.all()).length, 2);
assert.equal((await store.ids()).length, 2);
await two("/leave");
assert.equal(await two("/see"), null);
assert.equal(await store.length(), 1);
assert.deepEqual((await store.all())[0].basket, [secret("apple"), secret("pear")]);
await store.clear();
assert.equal(await one("/see"), null);
for (const item of ["left", "behind"]) await browser()(`/put/${item}`);

server.close();
server.closeAllConnections();
await client.close();
