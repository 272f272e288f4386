// What a client in TypeScript does with the generated types: it must compile.
import type { ClientRequest, RequestId, ServerNotification, ServerRequest, v2 } from "./generated";

export function ask(id: RequestId, threadId: string): ClientRequest {
  const params: v2.TurnStartParams = { threadId, input: [{ type: "text", text: "hi", text_elements: [] }] };
  return { method: "turn/start", id, params };
}

function shown(item: v2.ThreadItem): string {
  switch (item.type) {
    case "commandExecution":
      return `${item.command} ${item.exitCode ?? ""} ${item.aggregatedOutput?.length ?? 0}`;
    case "agentMessage":
      return item.text;
    case "fileChange":
      return item.changes.map((change) => (change.kind.type === "update" ? change.kind.move_path : change.path)).join();
    default:
      return item.id;
  }
}

export function told(message: ServerNotification): string | undefined {
  switch (message.method) {
    case "item/completed":
      return shown(message.params.item);
    case "turn/completed":
      return message.params.turn.error?.message;
    case "error":
      return typeof message.params.error.codexErrorInfo === "string" ? message.params.error.codexErrorInfo : undefined;
    default:
      return undefined;
  }
}

export function answer(request: ServerRequest): v2.CommandExecutionRequestApprovalResponse | undefined {
  if (request.method !== "item/commandExecution/requestApproval") return undefined;
  const amendment = request.params.proposedExecpolicyAmendment;
  return {
    decision: amendment ? { acceptWithExecpolicyAmendment: { execpolicy_amendment: amendment } } : "accept",
  };
}

// @ts-expect-error a turn needs input
export const wrong: v2.TurnStartParams = { threadId: "t" };
// @ts-expect-error a status is one of four words
export const unheard: v2.Turn["status"] = "resting";
