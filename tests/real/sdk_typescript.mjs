// The official TypeScript SDK against `aiapiproxy serve --demo`.   usage: sdk_typescript.mjs BASE_URL SDK_DIR
//
// SDK_DIR is the folder whose node_modules holds the SDK. What the demo answers: see sdk_python.py.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [baseURL, folder] = process.argv.slice(2);
const require = createRequire(path.resolve(folder, "package.json"));
const load = (name) => import(pathToFileURL(require.resolve(name)));
const { default: Anthropic } = await load("@anthropic-ai/sdk");
const { VERSION } = await load("@anthropic-ai/sdk/version");
const { betaTool } = await load("@anthropic-ai/sdk/helpers/beta/json-schema");

const sdk = `typescript ${VERSION}`;
const model = "claude-sonnet-5-5";
const max_tokens = 200;
const hello = [{ role: "user", content: "Say hello." }];
const useATool = [{ role: "user", content: "Please use a tool." }];
const inputSchema = {
  type: "object",
  properties: { a: { type: "integer" }, b: { type: "integer" } },
  required: ["a", "b"],
  additionalProperties: false,
};
const add = { name: "add", description: "Adds two whole numbers.", input_schema: inputSchema };

// No retries: what fails once has failed.
const client = new Anthropic({ baseURL, apiKey: "test-client-key", maxRetries: 0, timeout: 30_000 });

const textOf = (message) => message.content.filter((block) => block.type === "text").map((block) => block.text).join("");

async function check(what, body) {
  try {
    await body();
    console.log(`ok   ${what}`);
  } catch (error) {
    console.error(error);
    console.log(`FAIL ${what}: ${String(error.message ?? error).split("\n")[0]}`);
    process.exitCode = 1;
  }
}

await check(`${sdk} create: a whole message, with usage and a request id`, async () => {
  const message = await client.messages.create({ model, max_tokens, messages: hello });
  assert.deepEqual([message.type, message.role, message.model, message.stop_reason], ["message", "assistant", model, "end_turn"]);
  assert.ok(message.id && message._request_id && textOf(message));
  assert.ok(message.usage.input_tokens > 0 && message.usage.output_tokens > 0);
});

await check(`${sdk} stream: many pieces, the same answer as in one piece`, async () => {
  const whole = await client.messages.create({ model, max_tokens, messages: hello });
  const pieces = [];
  const blocks = [];
  const stream = client.messages.stream({ model, max_tokens, messages: hello });
  stream.on("text", (piece) => pieces.push(piece)).on("contentBlock", (block) => blocks.push(block.type));
  const message = await stream.finalMessage();
  assert.ok(pieces.length > 1, `the stream came as ${pieces.length} piece(s)`);
  assert.deepEqual([pieces.join(""), textOf(message)], [textOf(whole), textOf(whole)]);
  assert.ok(blocks.includes("text"));
  assert.ok(message.usage.output_tokens > 0);
});

await check(`${sdk} stream: the raw events are in order`, async () => {
  const kinds = [];
  for await (const event of await client.messages.create({ model, max_tokens, messages: hello, stream: true })) {
    kinds.push(event.type);
  }
  assert.equal(kinds[0], "message_start");
  assert.deepEqual(kinds.slice(-3), ["content_block_stop", "message_delta", "message_stop"]);
});

await check(`${sdk} tools: a streamed call whose input fits the schema`, async () => {
  const snapshots = [];
  const stream = client.messages.stream({ model, max_tokens, tools: [add], messages: useATool });
  stream.on("inputJson", (_, snapshot) => snapshots.push(snapshot));
  const message = await stream.finalMessage();
  const [tool] = message.content.filter((block) => block.type === "tool_use");
  assert.deepEqual([message.stop_reason, tool.name], ["tool_use", "add"]);
  assert.ok(Number.isInteger(tool.input.a) && Number.isInteger(tool.input.b));
  assert.deepEqual(snapshots.at(-1), tool.input);
});

for (const stream of [false, true]) {
  await check(`${sdk} tool runner${stream ? ", streaming" : ""}: calls the function and ends with text`, async () => {
    const calls = [];
    const run = ({ a, b }) => (calls.push([a, b]), String(a + b));
    const tool = betaTool({ name: "add", description: add.description, inputSchema, run });
    // The runner keeps the conversation on the server first; refused, it sends all of it each time.
    const runner = client.beta.messages.toolRunner({ model, max_tokens, tools: [tool], messages: useATool, stream });
    const message = await runner.runUntilDone();
    assert.equal(calls.length, 1);
    assert.equal(message.stop_reason, "end_turn");
    assert.ok(textOf(message));
  });
}

await check(`${sdk} count_tokens: more text, more tokens`, async () => {
  const long = [{ role: "user", content: "Say hello. ".repeat(100) }];
  const [few, many] = await Promise.all([hello, long].map((messages) => client.messages.countTokens({ model, messages })));
  assert.ok(0 < few.input_tokens && few.input_tokens < many.input_tokens);
});

await check(`${sdk} models: each one that is listed can be retrieved`, async () => {
  const ids = [];
  for await (const listed of client.models.list()) ids.push(listed.id);
  assert.ok(ids.length > 0);
  for (const id of ids) assert.equal((await client.models.retrieve(id)).id, id);
});

await check(`${sdk} models: page by page, there and back, they are the same`, async () => {
  const all = async (listed) => {
    const ids = [];
    for await (const listedModel of listed) ids.push(listedModel.id);
    return ids;
  };
  const ids = await all(client.models.list());
  assert.ok(ids.length > 2);
  for (const surface of [client.models, client.beta.models]) {
    assert.deepEqual(await all(surface.list({ limit: 2 })), ids);
    assert.deepEqual(await all(surface.list({ limit: 1, after_id: ids[0] })), ids.slice(1));
    // The page before a model; the SDK goes on from there towards the first.
    const page = await surface.list({ limit: 1, before_id: ids.at(-1) });
    assert.deepEqual(page.data.map((listedModel) => listedModel.id), [ids.at(-2)]);
    assert.deepEqual((await all(page)).sort(), ids.slice(0, -1).sort());
  }
});

await check(`${sdk} beta surfaces: create, stream and countTokens answer the same`, async () => {
  const request = { model, messages: hello, betas: ["context-1m-2025-08-07", "never-heard-of-2099-01-01"] };
  const whole = await client.beta.messages.create({ ...request, max_tokens });
  const message = await client.beta.messages.stream({ ...request, max_tokens }).finalMessage();
  assert.deepEqual([textOf(message), message.stop_reason], [textOf(whole), "end_turn"]);
  const counted = await client.beta.messages.countTokens(request);
  assert.equal(counted.input_tokens, (await client.messages.countTokens({ model, messages: hello })).input_tokens);
});

await check(`${sdk} errors: an unknown model and a bad request are told apart`, async () => {
  await assert.rejects(client.models.retrieve("no-such-model"), (error) => {
    assert.ok(error instanceof Anthropic.NotFoundError && error.requestID);
    assert.equal(error.error.error.type, "not_found_error");
    return true;
  });
  const nobody = [{ role: "nobody", content: "x" }];
  await assert.rejects(client.messages.create({ model, max_tokens, messages: nobody }), Anthropic.BadRequestError);
});

await check(`${sdk} abort: a stream can be left in the middle`, async () => {
  const stream = client.messages.stream({ model, max_tokens, messages: hello });
  stream.on("text", () => stream.abort());
  await assert.rejects(stream.finalMessage(), Anthropic.APIUserAbortError);
  assert.ok(textOf(await client.messages.create({ model, max_tokens, messages: hello })));
});
