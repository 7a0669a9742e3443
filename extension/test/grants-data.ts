// Agent messages as tests need them.
export function grantMessage(change: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    id: '0123456789abcdef0123456789abcdef',
    profile: '0'.repeat(32),
    origin: 'https://video.example',
    host: 'media-cache-k3f7x2m7q4ab.local',
    port: 8443,
    url: 'https://media-cache-k3f7x2m7q4ab.local:8443',
    type: 'media-cache',
    device: {
      id: 'ab'.repeat(32),
      name: 'Living room',
      model: null,
      maker: null,
      standing: 'none',
      other_key: false,
    },
    site: null,
    created: 1_700_000_000,
    last_used: 0,
    not_after: 1_700_600_000,
    renew_at: 1_700_300_000,
    state: 'active',
    hold: null,
    block_until: 1_700_700_000,
    ca: 'C'.repeat(43),
    keys: ['K'.repeat(43)],
    ...change,
  };
}

export function deviceMessage(change: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    key: 'k1',
    name: 'Living room',
    type: 'media-cache',
    known: false,
    window_open: true,
    maker: null,
    model: null,
    proven: false,
    standing: 'none',
    warning: null,
    ...change,
  };
}

export function siteMessage(change: Record<string, unknown> = {}): Record<string, unknown> {
  return { state: 'known', name: 'Film House', provider: 'Example Trust', ...change };
}

export function policyMessage(change: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    allowed: true,
    code: null,
    message: null,
    site: siteMessage(),
    consented: false,
    ...change,
  };
}
