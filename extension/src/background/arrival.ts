// Whether a tab has come to show the document of an answer. The browser tells of an answer's head before
// the tab has let go of the page it showed until then: to load "the page" anew at that moment loads the
// old one, and the answer is lost.

// The part of chrome.tabs that is used here.
export interface Tabs {
  readonly get: (tabId: number) => Promise<{ readonly url?: string | undefined }>;
  readonly onUpdated: {
    addListener(listener: (tabId: number) => void): void;
    removeListener(listener: (tabId: number) => void): void;
  };
}

// False: the tab is gone, or shows something else for `patienceMs`: the person went elsewhere.
export async function arrived(
  tabs: Tabs,
  tabId: number,
  url: string,
  patienceMs = 5000,
): Promise<boolean> {
  return new Promise((resolve) => {
    const end = (there: boolean): void => {
      clearTimeout(timer);
      tabs.onUpdated.removeListener(updated);
      resolve(there);
    };
    const look = (): void => {
      tabs.get(tabId).then(
        (tab) => {
          if (tab.url !== undefined && withoutFragment(tab.url) === withoutFragment(url)) end(true);
        },
        () => {
          end(false);
        },
      );
    };
    const updated = (changed: number): void => {
      if (changed === tabId) look();
    };
    const timer = setTimeout(() => {
      end(false);
    }, patienceMs);
    tabs.onUpdated.addListener(updated);
    look();
  });
}

function withoutFragment(url: string): string {
  return url.split('#', 1)[0] ?? url;
}
