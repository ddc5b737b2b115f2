// Reads streams with the official TypeScript SDK.   usage: read_streams.mjs BASE_URL SDK_DIR <NAMES
//
// SDK_DIR is the folder whose node_modules holds the SDK. What goes in and out: see read_streams.py.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [url, folder] = process.argv.slice(2);
const require = createRequire(path.resolve(folder, "package.json"));
const { default: Anthropic } = await import(pathToFileURL(require.resolve("@anthropic-ai/sdk")));

const request = { model: "claude-sonnet-5-5", max_tokens: 1000, messages: [{ role: "user", content: "Go." }] };

async function read(messages) {
  const pieces = [];
  const inputs = [];
  try {
    const stream = messages.stream(request);
    stream.on("text", (piece) => pieces.push(piece)).on("inputJson", (piece) => inputs.push(piece));
    return { message: await stream.finalMessage(), text: pieces.join(""), input: inputs.join("") };
  } catch (error) {
    if (!(error instanceof Anthropic.APIError)) return { exception: String(error) };
    return { status: error.status ?? null, error: error.error?.error ?? String(error) };
  }
}

for (const stream of readFileSync(0, "utf8").split("\n").filter(Boolean)) {
  // No retries: what fails once has failed.
  const client = new Anthropic({ baseURL: `${url}/${stream}`, apiKey: "test-client-key", maxRetries: 0, timeout: 30_000 });
  for (const [surface, messages] of [["messages", client.messages], ["beta.messages", client.beta.messages]]) {
    console.log(JSON.stringify({ stream, surface, ...(await read(messages)) }));
  }
}
