// Drives a binary through the AI SDK's provider for Codex. Used by tests/e2e/test_ai_sdk.py.
//
// stdin: {binary, env, mode: "exec" | "appServer", settings, steps: [STEP, ...]}
// STEP: {do: "generate" | "stream" | "object" | "models", prompt?, schema?, settings?, options?,
//        image?: path, decision?, abortAt?: path, inject?: {at: path, text, then: path}}
//   `options` are the provider's own of a call; `THREAD` in them is the thread of the call before.
//   `decision` answers approvals. A run is aborted, or a message is injected into it, once a file
//   exists; `then` is written after the injection.
// stdout: a JSON list with one result for each step: what the call gave, the `asked` approvals, and
//   `error` when the SDK threw.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { generateObject, generateText, jsonSchema, streamText } from 'ai';
import { createCodexAppServer, createCodexExec, listModels } from 'ai-sdk-provider-codex-cli';

globalThis.AI_SDK_LOG_WARNINGS = false;
const job = JSON.parse(await text(process.stdin));
const common = { codexPath: job.binary, env: job.env, logger: false, ...job.settings };
const inServer = job.mode === 'appServer';
const provider = inServer
  ? createCodexAppServer({ defaultSettings: common })
  : createCodexExec({ defaultSettings: common });
const key = inServer ? 'codex-app-server' : 'codex-cli';
let thread;

function whenThere(path, action) {
  const watch = setInterval(() => {
    if (!existsSync(path)) return;
    clearInterval(watch);
    action();
  }, 10);
  return watch;
}

function callOf(step, asked, watches) {
  const abort = new AbortController();
  const settings = { ...step.settings };
  if (step.decision !== undefined) {
    const answer = async (request) => {
      asked.push({ method: request.method, params: request.params });
      return { decision: step.decision };
    };
    settings.serverRequests = { onCommandExecutionApproval: answer, onFileChangeApproval: answer };
  }
  if (step.abortAt !== undefined) watches.push(whenThere(step.abortAt, () => abort.abort()));
  if (step.inject !== undefined) {
    settings.onSessionCreated = (session) => {
      const inject = async () => {
        await session.injectMessage(step.inject.text);
        writeFileSync(step.inject.then, '');
      };
      watches.push(whenThere(step.inject.at, inject));
    };
  }
  const content = [{ type: 'text', text: step.prompt }];
  if (step.image !== undefined) {
    content.push({ type: 'file', data: readFileSync(step.image), mediaType: 'image/png' });
  }
  const options = JSON.parse(JSON.stringify(step.options ?? {}).replaceAll('THREAD', thread));
  return {
    model: provider(step.model ?? 'gpt-5.5', settings),
    messages: [{ role: 'user', content }],
    providerOptions: { [key]: options },
    abortSignal: abort.signal,
    maxRetries: 0,
  };
}

function seen(result) {
  const ids = result.providerMetadata?.[key] ?? {};
  thread = ids.threadId ?? ids.sessionId ?? thread;
  return { usage: result.usage, finishReason: result.finishReason, thread };
}

async function streamed(call) {
  const parts = [];
  const result = streamText({ ...call, onError: () => {} });
  for await (const part of result.stream) {
    if (part.type === 'error') throw part.error;
    parts.push(part);
  }
  const last = await result.finalStep;
  return { parts, text: last.text, ...seen(last) };
}

async function run(step, asked, watches) {
  if (step.do === 'models') {
    return await (inServer ? provider.listModels() : listModels({ ...common, cwd: job.settings.cwd }));
  }
  const call = callOf(step, asked, watches);
  if (step.do === 'stream') return await streamed(call);
  if (step.do === 'object') {
    const result = await generateObject({ ...call, schema: jsonSchema(step.schema) });
    return { object: result.object, ...seen(result) };
  }
  const last = (await generateText(call)).finalStep;
  return { text: last.text, content: last.content, ...seen(last) };
}

const results = [];
for (const step of job.steps) {
  const asked = [];
  const watches = [];
  try {
    results.push({ ...(await run(step, asked, watches)), asked });
  } catch (error) {
    results.push({ error: `${error.name}: ${error.message}`, asked });
  }
  watches.forEach(clearInterval);
}
await provider.close?.();
console.log(JSON.stringify(results));
