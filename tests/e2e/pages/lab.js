// What the tests need inside a page, in the page's own world.
window.lab = {
  types: ['media-cache'],
  sso: undefined, // with whom people sign in, as the page names it
  outcome: null,
  devices: new Map(),
  revoked: [],
  restored: [],

  adopt(device) {
    if (!this.devices.has(device.id)) {
      this.devices.set(device.id, device);
      device.addEventListener('revoked', () => this.revoked.push(device.id));
      device.addEventListener('restored', () => this.restored.push(device.id));
    }
    return { ok: true, id: device.id, url: device.url, type: device.type };
  },

  async request() {
    const begun = performance.now();
    try {
      return this.adopt(await navigator.localDevices.requestDevice({ filters: this.types.map((type) => ({ type })), sso: this.sso }));
    } catch (error) {
      return { ok: false, name: error.name, message: error.message, ms: performance.now() - begun };
    }
  },

  /** A device of this type that the page has already; its session is opened. */
  async known(type) {
    const device = (await navigator.localDevices.getDevices()).find((each) => each.type === type);
    if (!device) return null;
    await device.renew();
    return this.adopt(device);
  },

  /** A request by the page itself; never throws. */
  async get(url, options = {}) {
    const begun = performance.now();
    try {
      const response = await fetch(url, { cache: 'no-store', ...options });
      const text = response.type === 'opaque' ? '' : await response.text();
      return { ok: response.ok, status: response.status, type: response.type, text: text.slice(0, 4000), ms: performance.now() - begun };
    } catch (error) {
      return { ok: false, error: error.name, message: error.message, ms: performance.now() - begun };
    }
  },

  /** Loads `url` by an element; resolves with whether it loaded. */
  element(tag, url, attributes = {}) {
    return new Promise((resolve) => {
      const element = document.createElement(tag);
      Object.assign(element, attributes);
      element.onload = () => resolve(true);
      element.onerror = () => resolve(false);
      element.src = url;
      document.body.append(element);
    });
  },

  /** Reads an endless answer in the background. */
  drip(url) {
    const state = { bytes: 0, ended: false, status: 0, error: null };
    this.dripping = state;
    void (async () => {
      try {
        const response = await fetch(url, { credentials: 'include', cache: 'no-store' });
        state.status = response.status;
        const reader = response.body.getReader();
        for (;;) {
          const { done, value } = await reader.read();
          if (done) break;
          state.bytes += value.length;
        }
      } catch (error) {
        state.error = error.name;
      }
      state.ended = true;
    })();
  },

  /** Opens a WebSocket in the background. */
  socket(url) {
    const state = { open: false, closed: false, messages: [], opened: false };
    this.socketState = state;
    const socket = new WebSocket(url);
    this.rawSocket = socket;
    socket.onopen = () => { state.open = true; state.opened = true; };
    socket.onmessage = ({ data }) => { state.messages.push(data); };
    socket.onclose = () => { state.open = false; state.closed = true; };
  },
};

addEventListener('DOMContentLoaded', () => {
  document.getElementById('ask')?.addEventListener('click', () => {
    window.lab.outcome = window.lab.request();
  });
});

// Asks while the page loads, so that no gesture is there to help it.
if (location.search === '?unasked') window.lab.unasked = window.lab.request();
