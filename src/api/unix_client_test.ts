import assert from "node:assert/strict";

const UNIX_CLIENT = new URL("./unix_client.ts", import.meta.url).href;

Deno.test("unixClient() goes to its socket whatever is said of proxies", async () => {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/s`;
  await using _server = Deno.serve(
    { path, onListen: () => {} },
    () => new Response("socket"),
  );
  const code = `
    import { DAEMON_HOST, unixClient } from ${JSON.stringify(UNIX_CLIENT)};
    const client = unixClient(${JSON.stringify(path)});
    const url = "http://" + DAEMON_HOST + "/";
    console.log(await (await fetch(url, { client })).text());
    console.log(Deno.env.get("NO_PROXY"), Deno.env.get("no_proxy"));
  `;
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", code],
    env: {
      HTTP_PROXY: "http://127.0.0.1:9",
      NO_PROXY: "*",
      no_proxy: "localhost",
    },
    stdin: "null",
  }).output();
  const text = new TextDecoder();
  assert.equal(text.decode(stderr), "");
  assert.equal(text.decode(stdout), "socket\n* localhost\n");
  await Deno.remove(folder, { recursive: true });
});
