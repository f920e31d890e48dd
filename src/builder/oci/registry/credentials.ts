/**
 * Who one is to a registry: what `docker login` and `podman login` have kept, in
 * their files or with a helper program. Looked up when a registry asks, and
 * never printed: no message quotes what a file or a helper says.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { execute, findProgram } from "../../../lib/exec.ts";
import { Fault } from "../../../lib/fault.ts";
import { DEFAULT_REGISTRY } from "./default_registry.ts";

export type Credentials =
  | {
    readonly kind: "password";
    readonly username: string;
    readonly password: string;
  }
  /** To be exchanged for a token of one repository. */
  | { readonly kind: "identity"; readonly token: string };

export interface FoundCredentials {
  readonly credentials: Credentials;
  /** Where they are from, for messages. */
  readonly source: string;
}

type Env = (name: string) => string | undefined;

const HELPER_MS = 30_000;
const FILE_BYTES_MAX = 4 * 1024 * 1024;

/** What a helper says of an identity token in place of a name. */
const TOKEN_USER = "<token>";

/** The files that logins are kept in, the first one with an entry counts. */
export function credentialFiles(env: Env): string[] {
  const docker = env("DOCKER_CONFIG") ||
    (env("HOME") && `${env("HOME")}/.docker`);
  const runtime = env("XDG_RUNTIME_DIR");
  return [
    ...(docker ? [`${docker}/config.json`] : []),
    ...(runtime ? [`${runtime}/containers/auth.json`] : []),
  ];
}

/** What is known for a repository of a registry; undefined if nothing is. */
export async function findCredentials(
  { registry, repository }: {
    readonly registry: string;
    readonly repository: string;
  },
  env: Env,
  signal: AbortSignal,
): Promise<FoundCredentials | undefined> {
  for (const path of credentialFiles(env)) {
    const file = await readFile(path);
    if (file === undefined) continue;
    const found = await inFile(file, registry, repository, {
      path,
      env,
      signal,
    });
    if (found !== undefined) return found;
  }
  return undefined;
}

interface Place {
  readonly path: string;
  readonly env: Env;
  readonly signal: AbortSignal;
}

type Json = Readonly<Record<string, unknown>>;

async function inFile(
  file: Json,
  registry: string,
  repository: string,
  place: Place,
): Promise<FoundCredentials | undefined> {
  const isDefault = registry === DEFAULT_REGISTRY.name;
  const server = isDefault ? DEFAULT_REGISTRY.credentialsKey : registry;
  const helpers = objectOf(file["credHelpers"]);
  const helper = helpers[registry] ?? helpers[server];
  if (typeof helper === "string") return await ask(helper, server, place);
  const kept = entryFor(objectOf(file["auths"]), registry, repository);
  const credentials = kept && entryCredentials(kept, place.path);
  if (credentials !== undefined) return { credentials, source: place.path };
  const store = file["credsStore"];
  return typeof store === "string" && store !== ""
    ? await ask(store, server, place)
    : undefined;
}

/** The entry of a repository before that of a folder of them, and of the host. */
function entryFor(
  auths: Json,
  registry: string,
  repository: string,
): Json | undefined {
  const parts = [registry, ...repository.split("/")];
  for (let count = parts.length; count > 0; count--) {
    const name = parts.slice(0, count).join("/");
    if (Object.hasOwn(auths, name)) return objectOf(auths[name]);
  }
  const isDefault = registry === DEFAULT_REGISTRY.name;
  const names = isDefault
    ? [registry, DEFAULT_REGISTRY.host, ...DEFAULT_REGISTRY.aliases]
    : [registry];
  // Older programs wrote URLs.
  const key = Object.keys(auths).find((each) =>
    names.includes(each.replace(/^https?:\/\//, "").replace(/\/.*$/, "")) &&
    /^https?:\/\//.test(each)
  );
  return key === undefined ? undefined : objectOf(auths[key]);
}

function entryCredentials(entry: Json, path: string): Credentials | undefined {
  const { identitytoken, auth, username, password } = entry;
  if (typeof identitytoken === "string" && identitytoken !== "") {
    return { kind: "identity", token: identitytoken };
  }
  if (typeof auth === "string" && auth !== "") {
    const text = Buffer.from(auth, "base64").toString("utf8");
    const colon = text.indexOf(":");
    if (colon <= 0) throw unreadable(path, 'an "auth" in it is not base64');
    return {
      kind: "password",
      username: text.slice(0, colon),
      password: text.slice(colon + 1).replace(/\0+$/, ""),
    };
  }
  const isPlain = typeof username === "string" && username !== "" &&
    typeof password === "string";
  return isPlain ? { kind: "password", username, password } : undefined;
}

/** Runs `docker-credential-NAME get`; undefined if it has none. */
async function ask(
  name: string,
  server: string,
  { path, env, signal }: Place,
): Promise<FoundCredentials | undefined> {
  const program = `docker-credential-${name}`;
  const isName = /^[\w][\w.-]{0,63}$/.test(name);
  const file = isName ? await findProgram(program, env("PATH")) : undefined;
  if (file === undefined) {
    throw new Fault(
      "registry-denied",
      `Cannot get the credentials of registry "${server}": "${path}" names the helper "${
        program.slice(0, 80)
      }", which is not in PATH`,
      { hint: `Install it, or take it out of ${path}` },
    );
  }
  const limit = AbortSignal.timeout(HELPER_MS);
  const result = await execute(file, ["get"], {
    input: server,
    signal: AbortSignal.any([signal, limit]),
    fault: "registry-denied",
  });
  signal.throwIfAborted();
  if (limit.aborted) {
    throw helperFault(program, server, `it took over ${HELPER_MS / 1000} s`);
  }
  if (result.status !== 0) {
    // That it has none it says in words, which the helpers have in common.
    if (/credentials not found/i.test(result.stdout + result.stderr)) {
      return undefined;
    }
    throw helperFault(program, server, `it ended with status ${result.status}`);
  }
  const answer = parseObject(result.stdout);
  const { Username: username, Secret: secret } = answer ?? {};
  if (typeof username !== "string" || typeof secret !== "string") {
    throw helperFault(program, server, "its answer makes no sense");
  }
  return {
    source: program,
    credentials: username === TOKEN_USER
      ? { kind: "identity", token: secret }
      : { kind: "password", username, password: secret },
  };
}

async function readFile(path: string): Promise<Json | undefined> {
  let text: string;
  try {
    const { size } = await Deno.stat(path);
    if (size > FILE_BYTES_MAX) throw unreadable(path, "it is too large");
    text = await Deno.readTextFile(path);
  } catch (cause) {
    if (
      cause instanceof Deno.errors.NotFound ||
      cause instanceof Deno.errors.NotADirectory
    ) return undefined;
    if (cause instanceof Fault) throw cause;
    throw unreadable(path, "it cannot be opened", cause);
  }
  const file = parseObject(text);
  // Without the cause: that quotes the text.
  if (file === undefined) throw unreadable(path, "it is not a JSON object");
  return file;
}

function parseObject(text: string): Json | undefined {
  try {
    const value: unknown = JSON.parse(text);
    const isObject = typeof value === "object" && value !== null &&
      !Array.isArray(value);
    return isObject ? value as Json : undefined;
  } catch {
    // The caller says that it is none.
    return undefined;
  }
}

function objectOf(value: unknown): Json {
  return typeof value === "object" && value !== null ? value as Json : {};
}

function unreadable(path: string, reason: string, cause?: unknown): Fault {
  return new Fault(
    "invalid-input",
    `Cannot read file of credentials "${path}": ${reason}`,
    {
      cause,
      hint: "Mend it, or log in anew with docker login or podman login",
    },
  );
}

function helperFault(program: string, server: string, reason: string): Fault {
  return new Fault(
    "registry-denied",
    `Cannot get the credentials of registry "${server}" from "${program}": ${reason}`,
    { hint: `See what it says: echo ${server} | ${program} get` },
  );
}
