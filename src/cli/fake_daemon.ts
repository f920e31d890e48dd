/**
 * What the tests of the CLI run commands against: a daemon that answers from a
 * table, and streams that keep what is printed.
 *
 * @module
 */

import type { VmView } from "../api/vms.ts";
import { runCli } from "./cli.ts";
import { Output, type Sink } from "./output.ts";

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly body: unknown;
}

export type Answer = (asked: Asked) => Response;

export interface FakeDaemon extends AsyncDisposable {
  readonly socket: string;
  readonly asked: readonly Asked[];
}

export async function fakeDaemon(answer: Answer): Promise<FakeDaemon> {
  const folder = await Deno.makeTempDir();
  const socket = `${folder}/volant.sock`;
  const asked: Asked[] = [];
  const server = Deno.serve(
    { path: socket, onListen: () => {} },
    async (req) => {
      const { pathname, search } = new URL(req.url);
      const text = await req.text();
      const one: Asked = {
        method: req.method,
        path: pathname,
        query: search,
        body: text === "" ? undefined : JSON.parse(text),
      };
      asked.push(one);
      return answer(one);
    },
  );
  return {
    socket,
    asked,
    async [Symbol.asyncDispose]() {
      await server.shutdown();
      await Deno.remove(folder, { recursive: true });
    },
  };
}

export interface Printed {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface PrintOptions {
  readonly socket?: string;
  readonly program?: string;
  readonly isTerminal?: boolean;
  /** Nobody reads what is printed. */
  readonly closed?: boolean;
  /** What a write to stdout throws. */
  readonly fails?: Error;
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs the CLI in this process and keeps what it prints. */
export async function volant(
  words: readonly string[],
  options: PrintOptions = {},
): Promise<Printed> {
  const { socket, program = "volant", isTerminal = false, env = {} } = options;
  const { closed = false, fails } = options;
  const printed = { stdout: "", stderr: "" };
  const sink = (name: keyof typeof printed): Sink => {
    const decoder = new TextDecoder();
    return {
      isTerminal,
      write(bytes) {
        if (fails !== undefined && name === "stdout") throw fails;
        if (closed) throw new Deno.errors.BrokenPipe("nobody reads");
        printed[name] += decoder.decode(bytes, { stream: true });
      },
    };
  };
  const variables: Readonly<Record<string, string>> = {
    HOME: "/nonexistent",
    ...(socket === undefined ? {} : { VOLANT_SOCKET: socket }),
    ...env,
  };
  const status = await runCli(words, {
    program,
    out: new Output(sink("stdout"), sink("stderr"), isTerminal),
    env: (name) => variables[name],
  });
  return { status, ...printed };
}

export function fakeVm(name: string, more: Partial<VmView> = {}): VmView {
  return {
    id: 1,
    name,
    status: "running",
    runtime: name,
    pid: 4242,
    ip_address: "10.0.2.15",
    mac_address: "02:00:00:00:00:01",
    cpu_cores: 1,
    memory_mb: 64,
    kernel_cmdline: "console=ttyS0",
    serial_socket: "",
    created_at: "2026-01-01T00:00:00Z",
    updated_at: "2026-01-01T00:00:00Z",
    hypervisor: "qemu",
    network: "user",
    expose: [{
      host_ip: "127.0.0.1",
      host_port: 8080,
      port: 80,
      protocol: "tcp",
    }],
    restarts: 0,
    wanted: "running",
    machine_restarts: 0,
    health: "none",
    ...more,
  };
}

export function fault(status: number, code: string, error: string): Response {
  return Response.json({ error, code, hint: "Do so" }, { status });
}
