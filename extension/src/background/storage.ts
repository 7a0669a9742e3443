// What is kept: in storage.session what must outlive the worker but not the browser, in
// storage.local the random profile id and the person's switches.

export interface Kept<T> {
  readonly load: () => Promise<T>;
  readonly save: (value: T) => Promise<void>;
}

function kept<T>(area: () => chrome.storage.StorageArea, key: string, initial: T): Kept<T> {
  return {
    load: async () => {
      const found: Record<string, unknown> = await area().get(key);
      return key in found ? (found[key] as T) : initial;
    },
    save: async (value) => {
      await area().set({ [key]: value });
    },
  };
}

export function sessionValue<T>(key: string, initial: T): Kept<T> {
  return kept(() => chrome.storage.session, key, initial);
}

export function localValue<T>(key: string, initial: T): Kept<T> {
  return kept(() => chrome.storage.local, key, initial);
}

// 16 random bytes, 32 hex digits.
export function newId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) =>
    byte.toString(16).padStart(2, '0'),
  ).join('');
}

const profile = localValue<unknown>('profile', null);
let profilePromise: Promise<string> | null = null;

// This browser profile's random id. Everything the agent does for this browser hangs on it.
export function profileId(): Promise<string> {
  profilePromise ??= (async () => {
    const found = await profile.load();
    if (typeof found === 'string' && /^[0-9a-f]{32}$/.test(found)) return found;
    const made = newId();
    await profile.save(made);
    return made;
  })();
  return profilePromise;
}
