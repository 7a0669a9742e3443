// The fold under an entry, where the technical words stand: certificate, proof of make, renewing.
import type { Grant } from '../protocol/agent';
import type { Certificate, Details, Proof } from '../protocol/control';
import * as names from '../protocol/names';
import { h } from '../ui/dom';
import { deviceTitle, whoText } from '../ui/grant-view';
import { language, text } from '../ui/text';
import { makeName } from '../ui/trust-view';
import { sinceWhen } from '../ui/when';
import { type Actions, type Look, button } from './view';

type Line = readonly [string, Node | string];

export function detailsView(grant: Grant, look: Look, actions: Actions): HTMLElement {
  const details = look.details.get(grant.id);
  const fold = h('div', { class: 'fold', id: `fold-${grant.id}`, 'data-testid': 'fold' });
  if (details === undefined) {
    fold.append(h('p', { class: 'under' }, text('controlLoading')));
    return fold;
  }
  const lines: Line[] = [
    [text('detailAddress'), code(grant.url)],
    ...certificateLines(details),
    ...proofLines(details.proof),
  ];
  fold.append(
    h('dl', {}, ...lines.map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value)))),
  );
  if (grant.state === 'active') {
    fold.append(
      button({
        id: `renew-${grant.id}`,
        words: text('detailRenew'),
        label: text('detailRenewLabel', whoText(grant), deviceTitle(grant)),
        busy: look.busy.has(grant.id),
        onClick: () => {
          actions.act('renew', grant);
        },
      }),
    );
  }
  return fold;
}

function code(words: string, testid = ''): HTMLElement {
  const made = h('code', { dir: 'ltr', translate: 'no' }, words);
  if (testid !== '') made.dataset['testid'] = testid;
  return made;
}

// "AB:CD:...", as browsers write fingerprints; breaks between bytes.
function fingerprint(hex: string, testid: string): HTMLElement {
  const made = code('', testid);
  made.dataset['hex'] = hex;
  for (const [index, byte] of (hex.toUpperCase().match(/../g) ?? []).entries()) {
    if (index > 0) made.append(':', h('wbr'));
    made.append(byte);
  }
  return made;
}

function moment(seconds: number): string {
  const style = { dateStyle: 'medium', timeStyle: 'short' } as const;
  return new Intl.DateTimeFormat(language(), style).format(new Date(seconds * 1000));
}

function certificateLines({ certificate }: Details): Line[] {
  if (certificate === null) return [[text('detailSubject'), text('detailNone')]];
  const { subject, validFrom, validTo, renewAt, key, issuer }: Certificate = certificate;
  return [
    [text('detailSubject'), code(subject)],
    [text('detailValid'), text('detailValidRange', moment(validFrom), moment(validTo))],
    [text('detailRenewal'), moment(renewAt)],
    [text('detailKey'), fingerprint(key, 'key')],
    [text('detailIssuer'), fingerprint(issuer, 'issuer')],
  ];
}

function proofLines(proof: Proof): Line[] {
  const lines: Line[] = [[text('detailProof'), proofText(proof)]];
  if (proof.modelId !== null) lines.push([text('detailModelId'), code(proof.modelId)]);
  if (proof.proved !== null) {
    lines.push([text('detailProved'), sinceWhen(proof.proved, language())]);
  }
  return lines;
}

function proofText(proof: Proof): string {
  const provider = proof.provider ?? text('itsProvider');
  switch (proof.standing) {
    case names.kNone:
      return text('detailProofNone');
    case names.kUnattested:
      return text('detailProofUnattested');
    case names.kUnproven:
      return text('detailProofUnproven');
    case names.kProven:
      return text('detailProofProven', makeName(proof), provider);
    case names.kRevoked:
      return text('detailProofRevoked', makeName(proof), provider);
  }
}
