import assert from "node:assert/strict";

const PROXIES = new URL("./proxies.ts", import.meta.url).href;

/**
 * What a process of its own with that environment prints: the tests share
 * theirs, and many of them make clients.
 */
async function printed(
  env: Readonly<Record<string, string>>,
  code: string,
): Promise<string[]> {
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "eval",
      `import { keepingLoopback } from ${JSON.stringify(PROXIES)};\n${code}`,
    ],
    env: { NO_PROXY: "", no_proxy: "", ...env },
    stdin: "null",
  }).output();
  const text = new TextDecoder();
  assert.equal(text.decode(stderr), "");
  return text.decode(stdout).trimEnd().split("\n");
}

Deno.test("a server on this host is not looked for behind a proxy", async () => {
  const serve = (text: string) =>
    Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      () => new Response(text),
    );
  await using server = serve("direct");
  await using proxy = serve("proxy");
  const seen = await printed(
    { HTTP_PROXY: `http://127.0.0.1:${proxy.addr.port}` },
    `
    const client = keepingLoopback(() => Deno.createHttpClient({}));
    for (const host of ["127.0.0.1", "registry.invalid"]) {
      const url = "http://" + host + ":${server.addr.port}/";
      console.log(await (await fetch(url, { client })).text());
    }
    `,
  );
  assert.deepEqual(seen, ["direct", "proxy"]);
});

Deno.test("hosts that are kept from the proxies already stay so", async () => {
  const code = `
    console.log(keepingLoopback(() => Deno.env.get("NO_PROXY")));
    console.log(Deno.env.get("NO_PROXY"));
  `;
  assert.deepEqual(await printed({ NO_PROXY: "lan.example" }, code), [
    "lan.example,localhost,127.0.0.0/8,::1",
    "lan.example",
  ]);
  const [none] = await printed({}, code);
  assert.equal(none, "localhost,127.0.0.0/8,::1");
});
