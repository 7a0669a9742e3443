// Whether a web service may ask for a device, as the agent judges it.
import * as names from '../protocol/names';
import { type Verdict, readVerdict } from '../protocol/trust';
import type { AgentLink } from './agent-link';

// Null where the agent gave no answer: no permission. Refusals do not depend on the kind of device;
// an administrator's consent does, and holds only if it covers every kind that was asked for.
export async function askVerdict(
  agent: AgentLink,
  origin: string,
  types: readonly string[],
): Promise<Verdict | null> {
  try {
    await agent.ready();
    const verdicts: Verdict[] = [];
    for (const type of types) {
      const params = { [names.kOrigin]: origin, [names.kType]: type };
      verdicts.push(readVerdict(await agent.call(names.kPolicyCheck, params)));
    }
    const worst = verdicts.find((one) => !one.allowed) ?? verdicts[0];
    if (worst === undefined) return null;
    return { ...worst, consented: verdicts.every((one) => one.consented) };
  } catch {
    return null;
  }
}
