#include "oidc/party.h"

#include <algorithm>

#include "crypto/hash.h"
#include "oidc/party_state.h"
#include "oidc/url.h"

namespace latchkey::oidc {

RelyingParty::RelyingParty(PartyRules rules, Random& random, std::vector<RegisteredClient> known)
    : rules_(std::move(rules)), random_(random) {
  for (RegisteredClient& one : known) {
    keep_registration({std::move(one.issuer), std::move(one.redirect_uri)}, std::move(one.client));
  }
  for (ProviderRules& one : rules_.providers) {
    auto provider = std::make_unique<Provider>();
    provider->rules = std::move(one);
    std::string issuer = provider->rules.issuer;
    providers_.insert_or_assign(std::move(issuer), std::move(provider));
  }
}

RelyingParty::~RelyingParty() = default;

RelyingParty::Provider* RelyingParty::provider_for(std::string_view issuer, bool offered) {
  if (issuer.empty() && providers_.size() == 1 && !providers_.begin()->second->offered) {
    return providers_.begin()->second.get();
  }
  const auto at = providers_.find(issuer);
  if (at != providers_.end()) {
    return !at->second->offered || offered ? at->second.get() : nullptr;
  }
  if (!rules_.accept_offered || !offered || !is_issuer(issuer)) {
    return nullptr;
  }
  if (offered_ >= kMaxOffered) {
    forget_idle_offers();
  }
  if (offered_ >= kMaxOffered) {
    return nullptr;
  }
  ++offered_;
  auto provider = std::make_unique<Provider>();
  provider->rules.issuer = issuer;
  provider->offered = true;
  return providers_.emplace(issuer, std::move(provider)).first->second.get();
}

// Web services name providers; those of yesterday must not take the places of today's.
void RelyingParty::forget_idle_offers() {
  offered_ -= std::erase_if(providers_, [this](const auto& entry) {
    const auto& [issuer, provider] = entry;
    const auto uses = [&issuer](const auto& one) { return one.second.issuer == issuer; };
    return provider->offered && std::none_of(jobs_.begin(), jobs_.end(), uses) &&
           std::none_of(flows_.begin(), flows_.end(), uses) &&
           std::none_of(logins_.begin(), logins_.end(),
                        [&issuer](const auto& one) { return one.second.who.issuer == issuer; });
  });
}

std::vector<std::string> RelyingParty::issuers() const {
  std::vector<std::string> out;
  for (const auto& [issuer, provider] : providers_) {
    if (!provider->offered) {
      out.push_back(issuer);
    }
  }
  return out;
}

bool RelyingParty::takes(std::string_view offered_issuer) const {
  return offered_issuer.empty() ? !rules_.providers.empty()
                                : rules_.accept_offered || providers_.contains(offered_issuer);
}

const Identity* RelyingParty::signed_in(SessionId session) const {
  const auto at = logins_.find(session);
  return at == logins_.end() ? nullptr : &at->second.who;
}

bool RelyingParty::is_pending(SessionId session) const {
  return std::any_of(jobs_.begin(), jobs_.end(), [session](const auto& entry) {
    const Job& job = entry.second;
    return job.session == session && job.kind == Job::Kind::kDevice;
  });
}

RelyingParty::Job* RelyingParty::open_job(OpId op, SessionId session, Provider& provider) {
  if (jobs_.size() >= kMaxJobs) {
    return nullptr;
  }
  const JobId id = next_++;
  Job job;
  job.id = id;
  job.op = op;
  job.session = session;
  job.issuer = provider.rules.issuer;
  return &jobs_.emplace(id, std::move(job)).first->second;
}

void RelyingParty::close_job(JobId id) {
  jobs_.erase(id);
}

void RelyingParty::fetch(Job& job, HttpRequest request) {
  const FetchId id = next_++;
  fetches_.emplace(id, job.id);
  out_.emplace_back(Fetch{id, job.session, job.issuer, std::move(request),
                          providers_.find(job.issuer)->second->offered});
}

// A check that fails is not the end of a login: the login decides (check_later).
void RelyingParty::give_up(JobId id, Error error, MonoTime now) {
  const auto at = jobs_.find(id);
  const Job& job = at->second;
  const SessionId session = job.session;
  const bool is_check = job.kind == Job::Kind::kCheck;
  if (job.op != 0) {
    out_.emplace_back(Failed{job.op, error, job.return_to});
  }
  jobs_.erase(at);
  if (is_check) {
    if (error.code == ErrorCode::kUnreachable) {
      check_later(session, false, now);
    } else {
      sign_out_now(session, std::string(name_of(error.code)) + ": " + error.detail);
    }
  }
}

// --- the way back ---

Effects RelyingParty::finish(OpId op, SessionId session, const Answer& answer, Now now) {
  const auto at = flows_.find(crypto::sha256(as_bytes(answer.state)));
  std::string return_to;
  const auto refused = [&](ErrorCode code, std::string why) {
    out_.emplace_back(Failed{op, Error{code, std::move(why)}, return_to});
    return take();
  };
  if (at == flows_.end() || at->second.session != session || now.mono >= at->second.ends) {
    return refused(ErrorCode::kUnknownFlow, "no such sign-in in this session");
  }
  Flow flow = std::move(at->second);
  flows_.erase(at);
  return_to = flow.return_to;
  Provider& provider = *providers_.find(flow.issuer)->second;
  // RFC 9207. A provider that does not name itself is taken only where there is no other one that
  // could have sent this answer.
  const bool may_be_silent =
      !provider.metadata->says_iss && providers_.size() == 1 && !rules_.accept_offered;
  if (answer.iss.empty() ? !may_be_silent : answer.iss != flow.issuer) {
    return refused(ErrorCode::kMixUp, "the answer is another provider's");
  }
  // Whoever comes back was sent by a provider that knows the client.
  if (const auto as = registered_.find({flow.issuer, flow.redirect_uri}); as != registered_.end()) {
    as->second.lost = 0;
  }
  if (!answer.error.empty()) {
    return refused(ErrorCode::kRefused, answer.error.substr(0, 64));
  }
  if (answer.code.empty() || answer.code.size() > kMaxCode) {
    return refused(ErrorCode::kBadRequest, "no code");
  }
  Job* job = open_job(op, session, provider);
  if (job == nullptr) {
    return refused(ErrorCode::kBusy, "too many sign-ins at once");
  }
  job->kind = Job::Kind::kFinish;
  job->waits = Job::Waits::kTokens;
  job->client = std::move(flow.client);
  job->nonce = std::move(flow.nonce);
  job->return_to = std::move(flow.return_to);
  job->host = std::move(flow.host);
  fetch(*job, code_request(*provider.metadata, job->client, answer.code, flow.redirect_uri,
                           flow.verifier.span()));
  return take();
}

void RelyingParty::take_tokens(JobId id, Tokens tokens, Now now) {
  Job& job = jobs_.find(id)->second;
  const auto login = logins_.find(job.session);
  if (job.kind == Job::Kind::kCheck) {
    // What was rotated is kept at once: the old one is spent, whatever comes of the rest.
    if (!tokens.refresh.empty()) {
      login->second.refresh = tokens.refresh.clone();
    }
    login->second.access = tokens.access.clone();
    if (tokens.id_token.empty()) {
      close_job(id);
      check_later(login->first, true, now.mono);
      return;
    }
  }
  if (tokens.id_token.empty()) {
    give_up(id, {ErrorCode::kMalformed, "no ID token came"}, now.mono);
    return;
  }
  job.tokens = std::move(tokens);
  judge(id, now);
}

void RelyingParty::judge(JobId id, Now now) {
  Job& job = jobs_.find(id)->second;
  Provider& provider = *providers_.find(job.issuer)->second;
  const auto header = read_header(job.tokens.id_token);
  if (!header) {
    give_up(id, header.error(), now.mono);
    return;
  }
  const crypto::JwsKey* key = provider.keys.find(header->kid, header->algorithm);
  if (key == nullptr) {
    // A key that we do not know may be a new one. Asking again is rationed, or every bad token
    // would be a request to the provider.
    const bool may_ask = !provider.keys_asked || now.mono - *provider.keys_asked >= kKeysAgain;
    if (job.asked_keys || !may_ask) {
      give_up(id, {ErrorCode::kBadSignature, "the provider has no such key"}, now.mono);
      return;
    }
    job.asked_keys = true;
    provider.keys_asked = now.mono;
    job.waits = Job::Waits::kKeys;
    fetch(job, get(provider.metadata->jwks_uri));
    return;
  }
  const auto login = logins_.find(job.session);
  Expected expected;
  expected.issuer = job.issuer;
  expected.client_id = job.client.id;
  expected.nonce = job.nonce;
  expected.access_token = as_text(job.tokens.access.span());
  expected.groups_claim = provider.rules.groups_claim;
  if (job.kind == Job::Kind::kCheck) {
    expected.before = &login->second.who;
  } else {
    expected.max_age = provider.rules.max_age;
  }
  auto who = check_id_token(job.tokens.id_token, *header, *key, expected, now.wall);
  (void)SecretBytes::take(std::move(expected.access_token));
  if (who) {
    settle(id, *std::move(who), now.mono);
  } else {
    give_up(id, who.error(), now.mono);
  }
}

void RelyingParty::settle(JobId id, Identity who, MonoTime now) {
  const auto at = jobs_.find(id);
  if (!rules_.policy.may_use(who)) {
    give_up(id, {ErrorCode::kNotAllowed, "the device is not for this person"}, now);
    return;
  }
  Job job = std::move(at->second);
  jobs_.erase(at);
  if (job.kind == Job::Kind::kCheck) {
    Login& login = logins_.find(job.session)->second;
    if (who.session.empty()) {
      who.session = login.who.session;
    }
    login.who = std::move(who);
    login.id_token = std::move(job.tokens.id_token);
    check_later(job.session, true, now);
    return;
  }
  // What is still under way for whoever was signed in here before is about them, not about this.
  std::erase_if(jobs_, [&job](const auto& entry) {
    return entry.second.session == job.session && entry.second.kind == Job::Kind::kCheck;
  });
  Login login;
  login.who = std::move(who);
  login.client = std::move(job.client);
  login.host = job.kind == Job::Kind::kDevice ? job.start.host : job.host;
  login.id_token = std::move(job.tokens.id_token);
  login.access = std::move(job.tokens.access);
  login.refresh = std::move(job.tokens.refresh);
  login.last_good = now;
  login.next_check = now + kCheckEvery;
  logins_.insert_or_assign(job.session, std::move(login));
  out_.emplace_back(SignedIn{job.op, job.session, std::move(job.return_to)});
}

}  // namespace latchkey::oidc
