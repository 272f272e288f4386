// Drives a binary through the official TypeScript SDK. Used by tests/e2e/test_ts_sdk.py.
//
// stdin: {binary, env, config?, steps: [STEP, ...]}
// STEP: {input, options?, thread?: name, resume?: id, schema?, stream?: bool, abortAt?: path}
//   Steps with the same `thread` name share one Thread object. `abortAt`: a streamed run is aborted
//   once this file exists.
// stdout: a JSON list with one result for each step: what `run` gave (items, finalResponse, usage) or
//   the `events` of a streamed run, always the thread's `id`, and `error` when the SDK threw.
import { existsSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { Codex } from '@openai/codex-sdk';

const job = JSON.parse(await text(process.stdin));
const codex = new Codex({ codexPathOverride: job.binary, env: job.env, config: job.config });
const threads = new Map();

function threadOf(step) {
  const known = threads.get(step.thread);
  if (known !== undefined) return known;
  const thread = step.resume
    ? codex.resumeThread(step.resume, step.options)
    : codex.startThread(step.options);
  if (step.thread !== undefined) threads.set(step.thread, thread);
  return thread;
}

async function streamed(thread, step) {
  const abort = new AbortController();
  const events = [];
  const result = { events };
  const watch = setInterval(() => {
    if (step.abortAt === undefined || abort.signal.aborted || !existsSync(step.abortAt)) return;
    result.abortedAt = Date.now();
    abort.abort();
  }, 10);
  try {
    const turn = { outputSchema: step.schema, signal: abort.signal };
    for await (const event of (await thread.runStreamed(step.input, turn)).events) {
      events.push(event);
    }
  } catch (error) {
    result.error = error.message;
  } finally {
    clearInterval(watch);
  }
  result.endedAt = Date.now();
  return result;
}

async function whole(thread, step) {
  try {
    return await thread.run(step.input, { outputSchema: step.schema });
  } catch (error) {
    return { error: error.message };
  }
}

const results = [];
for (const step of job.steps) {
  const thread = threadOf(step);
  const result = await (step.stream ? streamed(thread, step) : whole(thread, step));
  results.push({ ...result, id: thread.id });
}
console.log(JSON.stringify(results));
