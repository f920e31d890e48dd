/**
 * Which of the host's own firewall chains drop what is forwarded.
 *
 * A packet must be let through by every chain of the forward hook: what another
 * table drops, no rule of ours saves. Chains that a rule jumps to are not
 * looked into, so the answer is "none of its own rules accepts it".
 *
 * @module
 */

export interface ForwardChain {
  readonly family: string;
  readonly table: string;
  readonly name: string;
}

interface ChainJson extends ForwardChain {
  readonly type?: string;
  readonly hook?: string;
  readonly policy?: string;
}

interface RuleJson {
  readonly expr?: readonly Readonly<Record<string, unknown>>[];
}

interface MatchJson {
  readonly op?: string;
  readonly left?: { readonly meta?: { readonly key?: string } };
  readonly right?: unknown;
}

interface RulesetJson {
  readonly nftables?: readonly {
    readonly chain?: ChainJson;
    readonly rule?: RuleJson;
  }[];
}

/** Families whose chains see IPv4. */
const FAMILIES: readonly string[] = ["ip", "inet"];

/** Pure; reads what `nft -j list chains` printed. */
export function droppingChains(json: string): ForwardChain[] {
  return items(json).flatMap(({ chain }) =>
    chain?.type === "filter" && chain.hook === "forward" &&
      chain.policy === "drop" && FAMILIES.includes(chain.family)
      ? [{ family: chain.family, table: chain.table, name: chain.name }]
      : []
  );
}

/**
 * Whether rules of a chain accept all from and to an interface. Pure; reads
 * what `nft -j list chain` printed.
 */
export function letsThrough(json: string, device: string): boolean {
  const rules = items(json).flatMap(({ rule }) => rule ?? []);
  return ["iifname", "oifname"].every((key) =>
    rules.some((rule) => acceptsAll(rule, key, device))
  );
}

/** What lets them through: the command. */
export function openingCommand(
  { family, table, name }: ForwardChain,
  device: string,
): string {
  const isOfIptables = family === "ip" && table === "filter" &&
    name === "FORWARD";
  return isOfIptables
    ? `iptables -I FORWARD -i ${device} -j ACCEPT && iptables -I FORWARD -o ${device} -j ACCEPT`
    : ["iifname", "oifname"].map((key) =>
      `nft insert rule ${family} ${table} ${name} ${key} ${device} accept`
    ).join(" && ");
}

function acceptsAll(
  { expr = [] }: RuleJson,
  key: string,
  device: string,
): boolean {
  const conditions = expr.filter((each) => !("counter" in each));
  const [first, last] = conditions;
  if (conditions.length !== 2 || last === undefined || !("accept" in last)) {
    return false;
  }
  const match = first?.["match"] as MatchJson | undefined;
  return match?.op === "==" && match.left?.meta?.key === key &&
    match.right === device;
}

function items(json: string): NonNullable<RulesetJson["nftables"]> {
  if (json.trim() === "") return [];
  return (JSON.parse(json) as RulesetJson).nftables ?? [];
}
