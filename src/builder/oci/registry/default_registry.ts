/**
 * Which registry a name without one means. People write `nginx` and mean what
 * Docker takes it for; nothing else of Volant knows a registry by its name.
 *
 * @module
 */

export interface DefaultRegistry {
  /** As references name it. */
  readonly name: string;
  /** Other names that references give it. */
  readonly aliases: readonly string[];
  /** The host that answers for it. */
  readonly host: string;
  /** Where files of credentials keep those for it. */
  readonly credentialsKey: string;
  /** Where its repositories of one word are. */
  readonly namespace: string;
}

export const DEFAULT_REGISTRY: DefaultRegistry = {
  name: "docker.io",
  aliases: ["index.docker.io", "registry-1.docker.io"],
  host: "registry-1.docker.io",
  credentialsKey: "https://index.docker.io/v1/",
  namespace: "library",
};
