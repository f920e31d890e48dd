import assert from "node:assert/strict";

interface Dependency {
  readonly code?: { readonly specifier?: string };
  readonly isDynamic?: boolean;
}

interface Module {
  readonly specifier: string;
  readonly dependencies?: readonly Dependency[];
}

/** Commands that read manifests, build or check the host may load more. */
const QUICK = [
  ...["cli.ts", "commands/vm_list.ts", "commands/vm_get.ts"],
  ...["commands/vm_start.ts", "commands/vm_stop.ts", "commands/vm_restart.ts"],
  ...["commands/vm_delete.ts", "commands/vm_logs.ts", "commands/vm_wait.ts"],
  ...["commands/vm_console.ts", "commands/vm_create.ts", "commands/events.ts"],
  ...["commands/plugin_install.ts", "commands/plugin_list.ts"],
  ...["commands/plugin_get.ts", "commands/plugin_enable.ts"],
  ...["commands/plugin_remove.ts"],
  ...["commands/build.ts", "commands/doctor.ts", "commands/version.ts"],
  ...["commands/system_info.ts", "commands/daemon.ts", "commands/docs.ts"],
  ...["commands/image_pull.ts", "commands/image_list.ts"],
  ...["commands/image_inspect.ts", "commands/image_remove.ts"],
  ...["commands/image_prune.ts"],
  ...["commands/run.ts", "commands/completion.ts", "complete.ts"],
];

/** Everything that is loaded with a module, without what it loads on demand. */
async function loadedWith(file: string): Promise<Set<string>> {
  const path = new URL(file, import.meta.url);
  const { stdout, success } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", path.href],
    stderr: "inherit",
  }).output();
  assert.ok(success);
  const { modules } = JSON.parse(new TextDecoder().decode(stdout)) as {
    readonly modules: readonly Module[];
  };
  const bySpecifier = new Map(modules.map((one) => [one.specifier, one]));
  const loaded = new Set<string>();
  const waiting = [path.href];
  for (const specifier of waiting) {
    if (loaded.has(specifier)) continue;
    loaded.add(specifier);
    for (const one of bySpecifier.get(specifier)?.dependencies ?? []) {
      const next = one.code?.specifier;
      if (next !== undefined && one.isDynamic !== true) waiting.push(next);
    }
  }
  return loaded;
}

Deno.test("no command loads schemas or node:* before it needs them", async () => {
  for (const file of QUICK) {
    const loaded = await loadedWith(file);
    assert.ok(loaded.size > 3, `${file}: the graph is empty`);
    const packages = [...loaded].filter((one) => !one.startsWith("file:"));
    assert.deepEqual(packages, ["npm:@stricli/core@1.3.0"], file);
    const heavy = [...loaded].filter((one) =>
      /\/(?:builder|host|daemon)\/|_schema\.ts$|\/manifest\/parse\.ts$/.test(
        one,
      )
    );
    assert.deepEqual(
      heavy.filter((one) => !one.endsWith("/check.ts")),
      [],
      file,
    );
  }
});
