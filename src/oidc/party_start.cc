// RelyingParty: the way to the provider.
#include <algorithm>

#include "base/encoding.h"
#include "crypto/hash.h"
#include "oidc/party.h"
#include "oidc/party_state.h"
#include "oidc/url.h"

namespace latchkey::oidc {

namespace {

// 43 characters base64url, as RFC 7636 wants a verifier at least.
std::string make_word(Random& random) {
  return base64url_encode(random.bytes<32>());
}

}  // namespace

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
  // The owner's word goes before the web service's.
  if (provider.rules.client) {
    job.client = provider.rules.client->clone();
    return true;
  }
  if (!job.start.offered_client.empty()) {
    job.client.id = job.start.offered_client;
    return true;
  }
  const auto known = registered_.find({job.issuer, job.start.redirect_uri});
  if (known != registered_.end()) {
    known->second.used = next_++;
    job.client = known->second.client.clone();
    return true;
  }
  if (provider.metadata->registration_endpoint.empty() || job.start.redirect_uri.empty()) {
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
  authorization.anew = job.start.anew;
  authorization.max_age = provider.rules.max_age;
  out_.emplace_back(
      Redirect{job.op, authorization_url(*provider.metadata, flow.client, authorization)});
  flows_.emplace(crypto::sha256(as_bytes(authorization.state)), std::move(flow));
}

}  // namespace latchkey::oidc
