// Everything that is known here as one JSON document, for the person to keep: no keys, no codes, no
// tickets. Pure.
import type { ControlState, Details } from '../protocol/control';

const day = (seconds: number): string | null =>
  seconds === 0 ? null : new Date(seconds * 1000).toISOString();

// What the page shows under Details.
function detailsOf(details: Details | undefined): Record<string, unknown> {
  if (details === undefined) return { certificate: null, proof: null };
  const { certificate, proof } = details;
  return {
    certificate:
      certificate === null
        ? null
        : {
            for: certificate.subject,
            valid_from: day(certificate.validFrom),
            valid_to: day(certificate.validTo),
            renewal: day(certificate.renewAt),
            key_sha256: certificate.key,
            issuer_sha256: certificate.issuer,
          },
    proof: {
      standing: proof.standing,
      maker: proof.maker,
      model: proof.model,
      model_id: proof.modelId,
      proved: proof.proved === null ? null : day(proof.proved),
      provider: proof.provider, // who says so
    },
  };
}

// `details` by the id of the grant.
export function exportText(
  state: ControlState,
  details: Readonly<Record<string, Details>>,
  now: number,
): string {
  const document = {
    format: 'latchkey-list',
    version: 1,
    made: day(now),
    devices: state.devices.map((device) => ({
      id: device.id,
      name: device.name,
      type: device.type,
      maker: device.maker,
      model: device.model,
      standing: device.standing,
      since: day(device.since),
      was_reset: device.reset,
    })),
    permissions: state.grants.map((grant) => ({
      id: grant.id,
      web_service: grant.origin, // null: the person's own
      web_service_name: grant.site.name,
      web_service_standing: grant.site.state,
      device: grant.deviceId,
      device_name: grant.deviceName,
      type: grant.type,
      address: grant.url,
      since: day(grant.created),
      last_used: day(grant.lastUsed),
      valid_until: day(grant.notAfter),
      state: grant.state,
      reason: grant.hold,
      paused: grant.paused,
      ...detailsOf(details[grant.id]),
    })),
    may_reach_other_things: state.nearby,
    providers: state.providers.map((provider) => ({
      name: provider.name,
      state: provider.state,
      asked: provider.checked === null ? null : day(provider.checked),
    })),
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

// "latchkey-2026-11-27.json"
export function exportName(now: number): string {
  return `latchkey-${new Date(now * 1000).toISOString().slice(0, 10)}.json`;
}
