#include "oidc/party.h"

#include <algorithm>

#include "base/encoding.h"
#include "crypto/hash.h"
#include "oidc/party_state.h"
#include "oidc/url.h"

namespace latchkey::oidc {

namespace {

// 43 characters base64url, as RFC 7636 wants a verifier at least.
std::string make_word(Random& random) {
  return base64url_encode(random.bytes<32>());
}

}  // namespace

RelyingParty::RelyingParty(PartyRules rules, Random& random)
    : rules_(std::move(rules)), random_(random) {
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
  if (!rules_.accept_offered || !offered || !is_issuer(issuer) || offered_ >= kMaxOffered) {
    return nullptr;
  }
  ++offered_;
  auto provider = std::make_unique<Provider>();
  provider->rules.issuer = issuer;
  provider->offered = true;
  return providers_.emplace(issuer, std::move(provider)).first->second.get();
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
    out_.emplace_back(Failed{job.op, error});
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

// --- the way out ---

Effects RelyingParty::start(OpId op, Start start, Now now) {
  Provider* provider = provider_for(start.issuer, start.offered);
  Error why{ErrorCode::kUnknownIssuer, start.issuer};
  if (provider != nullptr && (!is_https_url(start.redirect_uri) ||
                              (!start.return_to.empty() && !is_local_path(start.return_to)))) {
    provider = nullptr;
    why = {ErrorCode::kBadRequest, "an address that nobody is sent to"};
  }
  Job* job = provider != nullptr ? open_job(op, start.session, *provider) : nullptr;
  if (job == nullptr) {
    if (provider != nullptr) {
      why = {ErrorCode::kBusy, "too many sign-ins at once"};
    }
    out_.emplace_back(Failed{op, std::move(why)});
    return take();
  }
  job->kind = Job::Kind::kSignIn;
  job->start = std::move(start);
  prepare(job->id, now);
  return take();
}

Effects RelyingParty::start_device(OpId op, Start start, Now now) {
  Provider* provider = provider_for(start.issuer, start.offered);
  // One at a time for a session: a second question takes the place of the first.
  std::erase_if(jobs_, [&start](const auto& entry) {
    return entry.second.session == start.session && entry.second.kind == Job::Kind::kDevice &&
           entry.second.op == 0;
  });
  Job* job = provider != nullptr && !is_pending(start.session)
                 ? open_job(op, start.session, *provider)
                 : nullptr;
  if (job == nullptr) {
    const ErrorCode code = provider == nullptr ? ErrorCode::kUnknownIssuer : ErrorCode::kBusy;
    out_.emplace_back(Failed{op, Error{code, start.issuer}});
    return take();
  }
  job->kind = Job::Kind::kDevice;
  job->start = std::move(start);
  prepare(job->id, now);
  return take();
}

void RelyingParty::prepare(JobId id, Now now) {
  Job& job = jobs_.find(id)->second;
  Provider& provider = *providers_.find(job.issuer)->second;
  if (!has_metadata(job, provider, now) || !has_client(job, provider)) {
    return;
  }
  if (job.kind == Job::Kind::kSignIn) {
    send_away(job, provider, now.mono);
    close_job(id);
    return;
  }
  if (provider.metadata->device_authorization_endpoint.empty()) {
    give_up(id, {ErrorCode::kUnsupported, "the provider has no device grant"}, now.mono);
    return;
  }
  job.waits = Job::Waits::kCodes;
  fetch(job, device_request(*provider.metadata, job.client, provider.rules.scope));
}

bool RelyingParty::has_metadata(Job& job, Provider& provider, Now now) {
  if (provider.metadata && now.mono < provider.metadata_until) {
    return true;
  }
  // Jobs that come meanwhile fetch for themselves: each has its own time to fail in, and there are
  // few of them.
  job.waits = Job::Waits::kMetadata;
  fetch(job, get(metadata_url(job.issuer)));
  return false;
}

bool RelyingParty::has_client(Job& job, Provider& provider) {
  if (!job.client.id.empty()) {
    return true;
  }
  if (!job.start.offered_client.empty()) {
    job.client.id = job.start.offered_client;
    return true;
  }
  if (provider.rules.client) {
    job.client = provider.rules.client->clone();
    return true;
  }
  const auto known = provider.registered.find(job.start.redirect_uri);
  if (known != provider.registered.end()) {
    job.client = known->second.clone();
    return true;
  }
  if (provider.metadata->registration_endpoint.empty() ||
      provider.registered.size() >= kMaxRegistrations || job.start.redirect_uri.empty()) {
    give_up(job.id, {ErrorCode::kUnsupported, "the provider does not know this device"}, {});
    return false;
  }
  job.waits = Job::Waits::kRegistration;
  fetch(job, registration_request(*provider.metadata,
                                  {job.start.redirect_uri, job.start.frontchannel_logout_uri}));
  return false;
}

bool RelyingParty::make_room_for_flow(SessionId session) {
  auto oldest = flows_.end();
  std::size_t own = 0;
  for (auto at = flows_.begin(); at != flows_.end(); ++at) {
    if (at->second.session == session) {
      ++own;
      oldest = oldest == flows_.end() || at->second.ends < oldest->second.ends ? at : oldest;
    }
  }
  if (own >= kMaxFlowsPerSession) {
    flows_.erase(oldest);
  }
  return flows_.size() < kMaxFlows;
}

void RelyingParty::send_away(Job& job, Provider& provider, MonoTime now) {
  if (!make_room_for_flow(job.session)) {
    out_.emplace_back(Failed{job.op, Error{ErrorCode::kBusy, "too many sign-ins at once"}});
    return;
  }
  Flow flow;
  flow.session = job.session;
  flow.issuer = job.issuer;
  flow.host = job.start.host;
  flow.client = job.client.clone();
  flow.redirect_uri = job.start.redirect_uri;
  flow.nonce = make_word(random_);
  flow.verifier = SecretBytes::take(make_word(random_));
  flow.return_to = job.start.return_to;
  flow.ends = now + kFlowLife;
  Authorization authorization;
  authorization.redirect_uri = flow.redirect_uri;
  authorization.scope = provider.rules.scope;
  authorization.state = make_word(random_);
  authorization.nonce = flow.nonce;
  authorization.challenge = crypto::sha256(flow.verifier.span());
  authorization.silent = job.start.silent;
  authorization.max_age = provider.rules.max_age;
  out_.emplace_back(
      Redirect{job.op, authorization_url(*provider.metadata, flow.client, authorization)});
  flows_.emplace(crypto::sha256(as_bytes(authorization.state)), std::move(flow));
}

// --- the way back ---

Effects RelyingParty::finish(OpId op, SessionId session, const Answer& answer, Now now) {
  const auto at = flows_.find(crypto::sha256(as_bytes(answer.state)));
  const auto refused = [&](ErrorCode code, std::string why) {
    out_.emplace_back(Failed{op, Error{code, std::move(why)}});
    return take();
  };
  if (at == flows_.end() || at->second.session != session || now.mono >= at->second.ends) {
    return refused(ErrorCode::kUnknownFlow, "no such sign-in in this session");
  }
  Flow flow = std::move(at->second);
  flows_.erase(at);
  Provider& provider = *providers_.find(flow.issuer)->second;
  // RFC 9207. A provider that does not name itself is taken only where there is no other one that
  // could have sent this answer.
  const bool may_be_silent =
      !provider.metadata->says_iss && providers_.size() == 1 && !rules_.accept_offered;
  if (answer.iss.empty() ? !may_be_silent : answer.iss != flow.issuer) {
    return refused(ErrorCode::kMixUp, "the answer is another provider's");
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
