/**
 * `volant completion`: the script for a shell.
 *
 * @module
 */

import { buildCommand } from "@stricli/core";
import { BASH, FISH, ZSH } from "../completion_scripts.ts";
import type { Context } from "../context.ts";
import { help } from "../flags.ts";

const TEXT =
  "Completes commands, flags and their values, files, and the names of what the daemon holds,\nfor volant, volar and fledge.";

export const completionBash = buildCommand<Record<never, never>, [], Context>({
  docs: help({
    brief: "Print the script for bash",
    text: TEXT,
    examples: [
      ["source <(volant completion bash)", "For this shell"],
      [
        "volant completion bash > ~/.local/share/bash-completion/completions/volant",
        "For every shell to come, with the package bash-completion, which loads for a command the\n      file of its name; so for the other names:",
      ],
      [
        "ln -s volant ~/.local/share/bash-completion/completions/volar",
        "For volar",
      ],
      [
        "ln -s volant ~/.local/share/bash-completion/completions/fledge",
        "For fledge",
      ],
      [
        "echo 'source <(volant completion bash)' >> ~/.bashrc",
        "The same without that package",
      ],
    ],
  }),
  parameters: {},
  func() {
    this.out.raw(BASH);
  },
});

export const completionZsh = buildCommand<Record<never, never>, [], Context>({
  docs: help({
    brief: "Print the script for zsh",
    text: TEXT,
    examples: [
      ["source <(volant completion zsh)", "For this shell, after compinit"],
      [
        'volant completion zsh > "${fpath[1]}/_volant"',
        "For every shell to come, and all names",
      ],
    ],
  }),
  parameters: {},
  func() {
    this.out.raw(ZSH);
  },
});

export const completionFish = buildCommand<Record<never, never>, [], Context>({
  docs: help({
    brief: "Print the script for fish",
    text: TEXT,
    examples: [
      ["volant completion fish | source", "For this shell"],
      [
        "volant completion fish > ~/.config/fish/completions/volant.fish",
        "For every shell to come; fish loads for a command the file of its name, so for the others:",
      ],
      [
        "ln -s volant.fish ~/.config/fish/completions/volar.fish",
        "For volar",
      ],
      [
        "ln -s volant.fish ~/.config/fish/completions/fledge.fish",
        "For fledge",
      ],
    ],
  }),
  parameters: {},
  func() {
    this.out.raw(FISH);
  },
});
