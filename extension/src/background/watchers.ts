// Which documents were given devices, so that they, and no others, hear when one is taken back.
import type { Page } from './sender';

export interface Watcher {
  readonly tabId: number;
  readonly documentId: string | null;
  readonly origin: string;
}

const kMaxWatchers = 500;

export class Watchers {
  private watchers: readonly Watcher[] | null = null;

  constructor(
    private readonly load: () => Promise<unknown>,
    private readonly save: (watchers: readonly Watcher[]) => Promise<void>,
  ) {}

  async add(page: Page): Promise<void> {
    const all = await this.all();
    if (all.some((one) => one.tabId === page.tabId && one.documentId === page.documentId)) return;
    const entry = { tabId: page.tabId, documentId: page.documentId, origin: page.origin };
    await this.keep([...all, entry].slice(-kMaxWatchers));
  }

  async removeTab(tabId: number): Promise<void> {
    const all = await this.all();
    if (all.some((one) => one.tabId === tabId)) {
      await this.keep(all.filter((one) => one.tabId !== tabId));
    }
  }

  async of(origin: string): Promise<readonly Watcher[]> {
    return (await this.all()).filter((one) => one.origin === origin);
  }

  private async all(): Promise<readonly Watcher[]> {
    if (this.watchers === null) {
      // Written by this class alone, in storage that only the extension's own pages reach.
      const stored = await this.load();
      this.watchers ??= Array.isArray(stored) ? (stored as Watcher[]) : [];
    }
    return this.watchers;
  }

  private async keep(watchers: readonly Watcher[]): Promise<void> {
    this.watchers = watchers;
    await this.save(watchers);
  }
}
