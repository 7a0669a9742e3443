// What takes its time with a real identity provider (oidc-provider): whether people still are signed in, which is
// asked every 45 seconds, and its keys, which are asked for once in 30. The cases wait side by side.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { client, order } from '../lab/identity.mjs';
import { ask, BYE, PAGE, served, signIn, userSeen } from './lib/identity.mjs';
import { until } from './lib/house.mjs';
import * as wrong from './lib/sso.mjs';

const ROUND = 60000;
const count = async ({ control }, what) => (await order(control, { seen: true })).filter((one) => one === what).length;
const gone = ({ grant }) => until(async () => !(await ask(grant, '')).signed_in, 'the device to sign them out', ROUND);
const log = ({ device }) => device.program.output + device.program.errors;

test('sso: what the device asks again', { concurrency: true }, async (t) => {
  await Promise.all([
    t.test('who still is signed in stays so, with a token that is another one each time', async (s) => {
      const stage = await served(s);
      assert.equal((await signIn(stage, 'ann')).status, 200);
      assert.equal(await count(stage, 'POST /token'), 1);
      await until(async () => await count(stage, 'POST /token') === 2, 'the refresh', ROUND);
      // The provider takes each refresh token once: a second round shows that the new one was kept.
      await until(async () => await count(stage, 'POST /token') === 3, 'the second refresh', ROUND);
      assert.equal(await userSeen(stage), 'ann');
    }),
    t.test('what has expired at the provider is over', async (s) => {
      const stage = await served(s);
      assert.equal((await signIn(stage, 'ann')).status, 200);
      await order(stage.control, { skew: 30 * 86400 });
      await gone(stage);
      assert.match(log(stage), /signed out \(refused: invalid_grant\)/);
      assert.equal(await userSeen(stage), undefined);
    }),
    t.test('a device with a secret asks by introspection', async (s) => {
      const secret = 'a secret of the device, and of nobody else';
      const known = { ...client('video', [PAGE], [BYE]), token_endpoint_auth_method: 'client_secret_basic', client_secret: secret };
      const stage = await served(s, { clients: [known], provider: (house) => {
        const file = house.path('client-secret');
        writeFileSync(file, secret, { mode: 0o600 });
        return { client_id: 'video', client_secret_file: file, client_auth: 'basic' };
      } });
      assert.equal((await signIn(stage, 'ann')).status, 200);
      await until(async () => await count(stage, 'POST /token/introspection') === 1, 'the question', ROUND);
      assert.equal(await userSeen(stage), 'ann');
      await stage.visitor.logout(`${stage.issuer}/session/end?client_id=video`);
      await gone(stage);
      assert.match(log(stage), /signed out \(refused: the token is not good any more\)/);
      assert.equal(await count(stage, 'POST /token'), 1, 'it asked for a refresh as well');
    }),
    t.test('a provider that is away for a moment signs nobody out', async (s) => {
      const stage = await served(s);
      assert.equal((await signIn(stage, 'ann')).status, 200);
      await order(stage.control, { down: true });
      await until(async () => await count(stage, 'POST /token') >= 2, 'the question that nobody answers', ROUND);
      assert.equal(await userSeen(stage), 'ann');
      await order(stage.control, { down: false });
      await until(async () => await count(stage, 'POST /token') >= 3, 'the next one', ROUND);
      assert.equal(await userSeen(stage), 'ann');
      assert.doesNotMatch(log(stage), /was signed out/);
    }),
    t.test('nobody is asked about whose permission has ended, and their token is gone', async (s) => {
      const { mallory, person, grant } = await wrong.served(s);
      // Whose token it is can be read from it.
      mallory.overrides['/token'] = (say, response, form) => {
        const whose = form.get('refresh_token')?.split('-')[0] ?? mallory.who;
        const token = { access_token: 'a', token_type: 'Bearer', refresh_token: `${whose}-${mallory.asked('/token').length}` };
        return say(200, form.has('code') ? { ...token, id_token: mallory.idToken(form.get('code')) } : token);
      };
      const asked = (whose) => mallory.asked('/token').filter(({ form }) => form.get('refresh_token')?.startsWith(whose)).length;
      assert.equal((await wrong.signIn(grant, mallory)).status, 200);
      mallory.who = 'ben';
      const other = await person.grantOver('https://photos.example');
      await other.open();
      // To pages of their own: the address to come back to is the web service's.
      const begun = await wrong.start(other, { redirect_uri: 'https://photos.example/signed-in' });
      assert.equal((await wrong.finish(other, mallory.authorize(begun.url))).status, 200);
      assert.equal((await person.ask('DELETE', `/grants/${grant.id.toString('hex')}`)).status, 204);
      // Ann signed in before Ben and would be asked about before him, each time.
      await until(() => asked('ben') === 2, 'the second question about Ben', 2 * ROUND);
      assert.equal(asked('ann'), 0, 'the provider was asked about somebody whose session is over');
      assert.equal((await wrong.state(other)).signed_in, true);
    }),
    t.test('out at the device, and at the provider', async (s) => {
      const stage = await served(s);
      const { grant, visitor, control, device } = stage;
      assert.equal((await signIn(stage, 'ann')).status, 200);
      const out = await ask(grant, '/out', { redirect_uri: BYE });
      assert.equal(out.status, 200);
      assert.equal(await userSeen(stage), undefined);
      await until(async () => (await order(control, { seen: true })).includes('POST /token/revocation'), 'the provider to be told');
      // The address it gave ends the session there, too.
      const bye = await visitor.logout(out.url);
      assert.equal(new URL(bye.location).href, BYE);
      assert.equal((await signIn(stage, undefined, { silent: true })).reason, 'login_required');
      // Now at the provider alone: the device asks every 45 s, and is rid of them within a minute.
      assert.equal((await signIn(stage, 'ann')).status, 200);
      const begun = Date.now();
      await visitor.logout(`${stage.issuer}/session/end?client_id=video`);
      assert.equal(await userSeen(stage), 'ann');
      await until(async () => !(await ask(grant, '')).signed_in, 'the device to sign them out', 60000);
      s.diagnostic(`signed out ${Math.round((Date.now() - begun) / 1000)} s after the provider`);
      assert.equal(await userSeen(stage), undefined);
      assert.match(device.program.output + device.program.errors, /signed out \(refused: invalid_grant\)/);
    }),
    t.test('keys that change, of every algorithm', async (s) => {
      const stage = await served(s);
      assert.equal((await signIn(stage, 'ann')).status, 200);
      for (const algorithm of ['RS256', 'PS256']) {
        await order(stage.control, { rotate: algorithm });
        // Asking for keys again is rationed to once in 30 seconds.
        await until(async () => {
          const done = await signIn(stage, 'ann');
          if (done.status !== 200) assert.equal(done.error, 'bad_signature');
          return done.status === 200;
        }, `a sign-in with ${algorithm}`, 45000);
        assert.equal(await userSeen(stage), 'ann');
      }
    }),
  ]);
});
