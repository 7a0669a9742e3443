// RelyingParty: answers of providers, and what time does.
#include <algorithm>

#include "oidc/party.h"
#include "oidc/party_state.h"
#include "oidc/url.h"

namespace latchkey::oidc {

namespace {

bool is_fine(const std::optional<RelyingParty::Reply>& reply) {
  return reply && reply->status == 200;
}

}  // namespace

Effects RelyingParty::on_fetched(FetchId id, const std::optional<Reply>& reply, Now now) {
  const auto fetched = fetches_.extract(id);
  const auto at = fetched.empty() ? jobs_.end() : jobs_.find(fetched.mapped());
  if (at == jobs_.end()) {
    return take();  // whoever wanted it is gone
  }
  Job& job = at->second;
  switch (job.waits) {
    case Job::Waits::kMetadata:
    case Job::Waits::kKeys:
      on_documents(job, reply, now);
      break;
    case Job::Waits::kRegistration:
      on_registration(job, reply, now);
      break;
    case Job::Waits::kTokens:
      on_token_answer(job, reply, now);
      break;
    case Job::Waits::kCodes:
      on_device_codes(job, reply, now);
      break;
    case Job::Waits::kActive:
      on_introspection(job, reply, now);
      break;
    case Job::Waits::kPoll:
    case Job::Waits::kNothing:
      close_job(job.id);
      break;
  }
  return take();
}

void RelyingParty::on_documents(Job& job, const std::optional<Reply>& reply, Now now) {
  Provider& provider = *providers_.find(job.issuer)->second;
  if (job.waits == Job::Waits::kMetadata) {
    auto metadata = is_fine(reply) ? read_metadata(reply->body, job.issuer)
                                   : refuse(ErrorCode::kUnreachable, "no discovery document");
    if (metadata) {
      provider.metadata = *std::move(metadata);
    } else if (!provider.metadata || metadata.error().code != ErrorCode::kUnreachable) {
      give_up(job.id, metadata.error(), now.mono);
      return;
    }
    // What was true yesterday does where the provider is away for a moment: asked again in a while.
    provider.metadata_until = now.mono + (metadata ? kMetadataLife : kFlowLife);
    prepare(job.id, now);
    return;
  }
  auto keys =
      is_fine(reply) ? KeySet::read(reply->body) : refuse(ErrorCode::kUnreachable, "no keys");
  if (!keys) {
    if (keys.error().code == ErrorCode::kUnreachable) {
      provider.keys_asked.reset();
    }
    give_up(job.id, keys.error(), now.mono);
    return;
  }
  provider.keys = *std::move(keys);
  judge(job.id, now);
}

void RelyingParty::on_registration(Job& job, const std::optional<Reply>& reply, Now now) {
  auto client = reply ? read_registration(reply->status, reply->body)
                      : refuse(ErrorCode::kUnreachable, "no answer to the registration");
  if (!client) {
    give_up(job.id, client.error(), now.mono);
    return;
  }
  job.client = client->client.clone();
  const RegistrationKey key(job.issuer, job.start.redirect_uri);
  keep_registration(key, std::move(client->client));
  // One that ends by itself is made again after a start.
  if (!client->ends) {
    out_.emplace_back(RememberClient{{key.first, key.second, job.client.clone()}});
  }
  prepare(job.id, now);
}

void RelyingParty::on_token_answer(Job& job, const std::optional<Reply>& reply, Now now) {
  auto tokens = reply ? read_tokens(reply->status, reply->body)
                      : refuse(ErrorCode::kUnreachable, "the token endpoint did not answer");
  if (tokens) {
    take_tokens(job.id, *std::move(tokens), now);
    return;
  }
  // RFC 8628 section 3.5.
  const Error& error = tokens.error();
  if (error.code == ErrorCode::kRefused && error.detail == "invalid_client") {
    doubt_client(job.issuer, job.client.id);
  }
  if (job.kind == Job::Kind::kDevice) {
    const bool slow = error.code == ErrorCode::kUnreachable || error.detail == "slow_down";
    if (slow || error.detail == "authorization_pending") {
      job.interval += slow ? seconds(5) : seconds(0);
      job.poll_at = now.mono + job.interval;
      job.waits = Job::Waits::kPoll;
      return;
    }
  }
  give_up(job.id, error, now.mono);
}

void RelyingParty::on_device_codes(Job& job, const std::optional<Reply>& reply, Now now) {
  auto codes = reply ? read_device_codes(reply->status, reply->body)
                     : refuse(ErrorCode::kUnreachable, "no codes came");
  if (!codes) {
    give_up(job.id, codes.error(), now.mono);
    return;
  }
  out_.emplace_back(DeviceCodeShown{job.op, codes->user_code, codes->verification_uri,
                                    codes->verification_uri_complete, codes->life});
  job.op = 0;
  job.device_code = std::move(codes->device_code);
  job.interval = codes->interval;
  job.poll_at = now.mono + job.interval;
  job.ends = now.mono + codes->life;
  job.waits = Job::Waits::kPoll;
}

void RelyingParty::on_introspection(Job& job, const std::optional<Reply>& reply, Now now) {
  const auto active = reply ? read_introspection(reply->status, reply->body)
                            : refuse(ErrorCode::kUnreachable, "introspection did not answer");
  if (!active || !*active) {
    give_up(job.id,
            active ? Error{ErrorCode::kRefused, "the token is not good any more"} : active.error(),
            now.mono);
    return;
  }
  const SessionId session = job.session;
  close_job(job.id);
  check_later(session, true, now.mono);
}

// --- whether they still are ---

void RelyingParty::check_later(SessionId session, bool good, MonoTime now) {
  const auto at = logins_.find(session);
  if (at == logins_.end()) {
    return;
  }
  Login& login = at->second;
  login.checking = false;
  login.next_check = now + kCheckEvery;
  if (good) {
    login.last_good = now;
  } else if (now - login.last_good >= kOutage) {
    sign_out_now(session, "the provider cannot be asked");
  }
}

void RelyingParty::check_now(SessionId session, Login& login, MonoTime now) {
  Provider& provider = *providers_.find(login.who.issuer)->second;
  const bool can_ask =
      !provider.metadata->introspection_endpoint.empty() && login.client.auth != ClientAuth::kNone;
  if (!can_ask && login.refresh.empty()) {
    login.next_check = now + kCheckEvery;
    if (now - login.last_good >= kUncheckedLife) {
      sign_out_now(session, "the provider gives nothing to ask with");
    }
    return;
  }
  Job* job = open_job(0, session, provider);
  if (job == nullptr) {
    check_later(session, false, now);
    return;
  }
  login.checking = true;
  job->kind = Job::Kind::kCheck;
  job->client = login.client.clone();
  job->waits = can_ask ? Job::Waits::kActive : Job::Waits::kTokens;
  const SecretBytes& token = login.refresh.empty() ? login.access : login.refresh;
  fetch(*job, can_ask ? introspection_request(*provider.metadata, login.client, token.span(),
                                              !login.refresh.empty())
                      : refresh_request(*provider.metadata, login.client, token.span()));
}

Effects RelyingParty::on_time(Now now) {
  for (auto at = flows_.begin(); at != flows_.end();) {
    if (now.mono < at->second.ends) {
      ++at;
      continue;
    }
    lose_flow(at->second);
    at = flows_.erase(at);
  }
  std::vector<JobId> over;
  for (auto& [id, job] : jobs_) {
    if (job.waits != Job::Waits::kPoll || now.mono < std::min(job.poll_at, job.ends)) {
      continue;
    }
    if (now.mono >= job.ends) {
      over.push_back(id);
      continue;
    }
    job.waits = Job::Waits::kTokens;
    fetch(job, device_token_request(*providers_.find(job.issuer)->second->metadata, job.client,
                                    job.device_code.span()));
  }
  for (const JobId id : over) {
    close_job(id);
  }
  std::vector<SessionId> due;
  for (const auto& [session, login] : logins_) {
    if (!login.checking && now.mono >= login.next_check) {
      due.push_back(session);
    }
  }
  for (const SessionId session : due) {
    check_now(session, logins_.find(session)->second, now.mono);
  }
  return take();
}

std::optional<MonoTime> RelyingParty::deadline() const {
  std::optional<MonoTime> next;
  const auto consider = [&next](MonoTime at) { next = next ? std::min(*next, at) : at; };
  for (const auto& [state, flow] : flows_) {
    consider(flow.ends);
  }
  for (const auto& [id, job] : jobs_) {
    if (job.waits == Job::Waits::kPoll) {
      consider(std::min(job.poll_at, job.ends));
    }
  }
  for (const auto& [session, login] : logins_) {
    if (!login.checking) {
      consider(login.next_check);
    }
  }
  return next;
}

// --- endings ---

void RelyingParty::sign_out_now(SessionId session, std::string why) {
  std::erase_if(jobs_, [session](const auto& entry) {
    return entry.second.session == session && entry.second.kind == Job::Kind::kCheck;
  });
  if (logins_.erase(session) > 0) {
    out_.emplace_back(SignedOut{session, std::move(why)});
  }
}

Effects RelyingParty::sign_out(OpId op, SessionId session,
                               std::string_view post_logout_redirect_uri) {
  const auto at = logins_.find(session);
  if (at == logins_.end()) {
    out_.emplace_back(Failed{op, Error{ErrorCode::kNotSignedIn, "nobody is signed in"}});
    return take();
  }
  const Login& login = at->second;
  Provider& provider = *providers_.find(login.who.issuer)->second;
  out_.emplace_back(LoggedOut{
      op, logout_url(*provider.metadata, login.client, login.id_token, post_logout_redirect_uri)});
  if (!login.refresh.empty() && !provider.metadata->revocation_endpoint.empty()) {
    if (Job* job = open_job(0, session, provider); job != nullptr) {
      job->kind = Job::Kind::kFarewell;
      fetch(*job, revocation_request(*provider.metadata, login.client, login.refresh.span()));
    }
  }
  sign_out_now(session, "by the person");
  return take();
}

Effects RelyingParty::front_channel_logout(std::string_view host, std::string_view issuer,
                                           std::string_view sid) {
  std::vector<SessionId> ended;
  for (const auto& [session, login] : logins_) {
    if (!sid.empty() && login.host == host && login.who.issuer == issuer &&
        login.who.session == sid) {
      ended.push_back(session);
    }
  }
  for (const SessionId session : ended) {
    sign_out_now(session, "by the provider");
  }
  return take();
}

Effects RelyingParty::forget(SessionId session) {
  std::erase_if(flows_, [session](const auto& entry) { return entry.second.session == session; });
  std::vector<JobId> over;
  for (const auto& [id, job] : jobs_) {
    if (job.session == session && job.kind != Job::Kind::kFarewell) {
      over.push_back(id);
    }
  }
  logins_.erase(session);
  for (const JobId id : over) {
    give_up(id, {ErrorCode::kUnknownFlow, "the session is over"}, {});
  }
  return take();
}

}  // namespace latchkey::oidc
