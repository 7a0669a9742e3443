// Who watches. Signs the viewer in with Kinora's own accounts (OpenID Connect, the code flow with PKCE),
// and with the same accounts at the device, without a question: device.signIn() of the page API.
const CHANNEL = 'latchkey-sign-in';
const KEPT = 'kinora-viewer';

const word = (bytes) => btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
const random = () => word(crypto.getRandomValues(new Uint8Array(32)));
const claimsOf = (token) => JSON.parse(atob(token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/')));

/** A window at once, while the click still counts. */
const opened = () => window.open('about:blank', '', 'popup,width=480,height=560');

export class Account {
  static redirectUri = `${location.origin}/signed-in.html`;

  constructor() {
    this.settings = null; // {issuer, clientId}; null: this Kinora has no accounts
    this.viewer = null; // {user, token}
  }

  /** Reads what Kinora's accounts are, and who was here. */
  async load() {
    const answer = await fetch('/accounts.json').catch(() => null);
    if (!answer?.ok) return;
    this.settings = await answer.json();
    this.viewer = JSON.parse(sessionStorage.getItem(KEPT) ?? 'null');
  }

  get name() {
    const user = this.viewer?.user ?? '';
    return user.charAt(0).toUpperCase() + user.slice(1);
  }

  /** What a device is asked for with it. */
  get sso() {
    return this.settings === null ? undefined : { issuer: this.settings.issuer, clientId: this.settings.clientId };
  }

  async #provider() {
    return (await fetch(`${this.settings.issuer}/.well-known/openid-configuration`)).json();
  }

  /** From a click: opens the provider's page. */
  async signIn() {
    const page = opened();
    try {
      const provider = await this.#provider();
      const [state, nonce, verifier] = [random(), random(), random()];
      const challenge = word(new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier))));
      const query = new URLSearchParams({
        response_type: 'code', client_id: this.settings.clientId, scope: 'openid', redirect_uri: Account.redirectUri,
        state, nonce, code_challenge: challenge, code_challenge_method: 'S256',
      });
      const back = this.#answerTo(state, page);
      page.location.replace(`${provider.authorization_endpoint}?${query}`);
      const sent = await back;
      if (sent.get('iss') !== this.settings.issuer || !sent.has('code')) throw new Error('not signed in');
      const answer = await fetch(provider.token_endpoint, { method: 'POST', body: new URLSearchParams({
        grant_type: 'authorization_code', client_id: this.settings.clientId, redirect_uri: Account.redirectUri,
        code: sent.get('code'), code_verifier: verifier,
      }) });
      const { id_token: token } = await answer.json();
      const claims = claimsOf(token); // It came from the provider itself, over TLS.
      if (claims.nonce !== nonce || claims.aud !== this.settings.clientId) throw new Error('not signed in');
      this.viewer = { user: claims.sub, token };
      sessionStorage.setItem(KEPT, JSON.stringify(this.viewer));
    } finally {
      page.close();
    }
  }

  #answerTo(state, page) {
    return new Promise((done, fail) => {
      const channel = new BroadcastChannel(CHANNEL);
      const end = () => {
        channel.close();
        clearInterval(watch);
      };
      const watch = setInterval(() => {
        if (!page.closed) return;
        end();
        fail(new Error('the window was closed'));
      }, 1000);
      channel.onmessage = ({ data }) => {
        const sent = new URLSearchParams(data.search);
        if (sent.get('state') !== state) return; // another sign-in's: the device's, perhaps
        end();
        done(sent);
      };
    });
  }

  /** The same person at the device. Null: the provider would have to ask, which takes a click. */
  async join(device) {
    if (this.viewer === null) return null;
    const there = await device.signedIn();
    if (there?.user === this.viewer.user) return there;
    return device.signIn({ redirectUri: Account.redirectUri, silent: true });
  }

  /** From a click: out here, at the device, and at the provider, which asks whether that is meant. */
  async signOut(device) {
    const page = opened();
    const { token } = this.viewer;
    this.viewer = null;
    sessionStorage.removeItem(KEPT);
    await device?.signOut().catch(() => null);
    const { end_session_endpoint: end } = await this.#provider();
    page.location.replace(`${end}?${new URLSearchParams({ id_token_hint: token, post_logout_redirect_uri: Account.redirectUri })}`);
  }
}
