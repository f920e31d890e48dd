/**
 * The daemon's API over its socket, where an answer, a refusal and a connection
 * that is cut are three outcomes, none of them an error of the test.
 */

export type Answer =
  // deno-lint-ignore no-explicit-any
  | { readonly kind: "ok"; readonly body: any }
  | {
    readonly kind: "fault";
    readonly code: string;
    readonly message: string;
  }
  | { readonly kind: "cut"; readonly message: string };

export interface Request {
  readonly method?: string;
  readonly body?: unknown;
  /** The client goes away when this is aborted. */
  readonly signal?: AbortSignal;
}

export async function call(
  socketPath: string,
  path: string,
  { method = "GET", body, signal }: Request = {},
): Promise<Answer> {
  try {
    using client = Deno.createHttpClient({
      proxy: { transport: "unix", path: socketPath },
    });
    const response = await fetch(`http://localhost/api/v1${path}`, {
      method,
      client,
      ...(signal && { signal }),
      ...(body !== undefined && {
        body: JSON.stringify(body),
        headers: { "content-type": "application/json" },
      }),
    });
    const type = response.headers.get("content-type") ?? "";
    const bytes = await response.bytes();
    if (!type.includes("json")) return { kind: "ok", body: bytes };
    const read = JSON.parse(new TextDecoder().decode(bytes));
    if (response.ok) return { kind: "ok", body: read };
    return { kind: "fault", code: read.code, message: read.error };
  } catch (error) {
    return { kind: "cut", message: String(error) };
  }
}
