#include "device/single_sign_on.h"

#include <spdlog/spdlog.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "device/sso_setup.h"
#include "front/sso_pages.h"
#include "net/https_fetch.h"
#include "oidc/url.h"

namespace latchkey::device {

namespace asio = boost::asio;

struct SingleSignOn::Waiting {
  Waiting(const net::Executor& executor, net::Deadline until) : timer(executor, until) {}
  asio::steady_timer timer;
  Outcome outcome;
};

namespace {

// Nothing: more than belongs to such a question, or it broke off.
net::Task<std::optional<std::string>> read_whole(Caller& caller) {
  std::string body;
  if (caller.body_length().value_or(0) > front::kMaxSsoBody) {
    co_return std::nullopt;
  }
  while (!caller.body_done()) {
    const auto piece = co_await caller.read_body();
    if (!piece || body.size() + piece->size() > front::kMaxSsoBody) {
      co_return std::nullopt;
    }
    body.append(as_text(*piece));
  }
  co_return body;
}

std::optional<oidc::RelyingParty::Reply> fetch_now(const oidc::Fetch& what,
                                                   const std::string& ca_file,
                                                   const std::vector<net::Network>& also,
                                                   std::chrono::milliseconds time,
                                                   const std::atomic<bool>& cancel) {
  net::Fetch request;
  request.url = what.request.url;
  request.limit = oidc::kMaxDocument;
  request.ca_file = ca_file;
  request.public_only = what.public_only;
  request.connect_time = time;
  request.total_time = time;
  request.cancel = &cancel;
  request.not_at_home = what.public_only;
  request.also = also;
  request.on_head = [](long, const wire::HttpFields&) {
    return true;
  };  // refusals have bodies, too
  if (what.request.post) {
    request.post = as_text(what.request.body.span());
    request.post_type =
        what.request.json ? "application/json" : "application/x-www-form-urlencoded";
  }
  request.authorization = as_text(what.request.authorization.span());
  auto fetched = net::fetch(request);
  if (!fetched) {
    // Names the host at most: no token, no code.
    spdlog::warn("single sign-on: {}: {}", what.issuer, fetched.error().detail);
    return std::nullopt;
  }
  oidc::RelyingParty::Reply reply{fetched->status, std::string(as_text(fetched->body))};
  wipe(fetched->body);
  return reply;
}

// Whose thread fetches it. Providers that web services named come and go: they share a few.
std::string lane_of(const oidc::Fetch& fetch) {
  constexpr std::size_t kSharedLanes = 4;
  return fetch.public_only ? std::to_string(std::hash<std::string>{}(fetch.issuer) % kSharedLanes)
                           : fetch.issuer;
}

}  // namespace

SingleSignOn::SingleSignOn(Parts parts)
    : parts_(std::move(parts)),
      timer_(parts_.executor),
      stopping_(std::make_shared<std::atomic<bool>>(false)),
      tasks_(parts_.executor) {}

SingleSignOn::~SingleSignOn() {
  stop();
}

void SingleSignOn::stop() {
  stopping_->store(true);
  timer_.cancel();
  tasks_.cancel();
}

oidc::Now SingleSignOn::now(oidc::SessionId session) const {
  const auto agent = agents_.find(session);
  const Device& device = parts_.device;
  return {agent == agents_.end() ? device.clock().wall_now() : device.best_time(agent->second),
          device.clock().mono_now()};
}

std::shared_ptr<SingleSignOn::Waiting> SingleSignOn::wait_for(oidc::OpId op) {
  auto waiting = std::make_shared<Waiting>(parts_.executor, net::after(parts_.answer_time));
  waiting_.emplace(op, waiting);
  return waiting;
}

net::Task<SingleSignOn::Outcome> SingleSignOn::outcome_of(oidc::OpId op,
                                                          std::shared_ptr<Waiting> waiting) {
  if (!waiting->outcome) {
    (void)co_await waiting->timer.async_wait(asio::as_tuple(asio::use_awaitable));
  }
  waiting_.erase(op);
  co_return std::move(waiting->outcome);
}

void SingleSignOn::report(oidc::OpId op, oidc::Effect effect) {
  const auto at = waiting_.find(op);
  if (at != waiting_.end()) {
    at->second->outcome = std::move(effect);
    at->second->timer.cancel();
    return;
  }
  // Whoever asked was told that it did not work: then it did not.
  if (const auto* late = std::get_if<oidc::SignedIn>(&effect); late != nullptr && op != 0) {
    perform(parts_.party.forget(late->session));
  }
}

void SingleSignOn::perform(oidc::Effects effects) {
  for (oidc::Effect& effect : effects) {
    if (auto* fetch = std::get_if<oidc::Fetch>(&effect)) {
      if (!stopping_->load()) {
        tasks_.spawn(bring(std::make_shared<oidc::Fetch>(std::move(*fetch))));
      }
    } else if (const auto* out = std::get_if<oidc::SignedOut>(&effect)) {
      spdlog::info("single sign-on: somebody was signed out ({})", out->why);
      parts_.device.streams().cut_sessions({out->session});
    } else if (const auto* known = std::get_if<oidc::RememberClient>(&effect)) {
      if (const auto kept = keep(parts_.device.store(), known->registered); !kept) {
        spdlog::warn("single sign-on: the registration at {} could not be kept: {}",
                     known->registered.issuer, kept.error().detail);
      }
    } else if (const auto* gone = std::get_if<oidc::ForgetClient>(&effect)) {
      (void)parts_.device.store().forget_sso_client(gone->issuer, gone->redirect_uri);
    } else {
      const auto op = std::visit(
          [](const auto& one) -> oidc::OpId {
            if constexpr (requires { one.op; }) {
              return one.op;
            } else {
              return 0;
            }
          },
          effect);
      report(op, std::move(effect));
    }
  }
  arm();
}

net::Task<void> SingleSignOn::bring(std::shared_ptr<oidc::Fetch> fetch) {
  auto job = [fetch, stopping = stopping_, ca_file = parts_.ca_file, also = parts_.offered_from,
              time = parts_.fetch_time] {
    return fetch_now(*fetch, ca_file, also, time, *stopping);
  };
  auto reply =
      co_await workers_[lane_of(*fetch)].run(parts_.executor, net::kNoDeadline, std::move(job));
  std::optional<oidc::RelyingParty::Reply> brought;
  if (reply) {
    brought = *std::move(reply);
  }
  perform(parts_.party.on_fetched(fetch->id, brought, now(fetch->session)));
  if (brought) {
    (void)SecretBytes::take(std::move(brought->body));
  }
}

void SingleSignOn::arm() {
  const auto next = parts_.party.deadline();
  if (!next || stopping_->load()) {
    return;
  }
  timer_.expires_at(net::Deadline(std::chrono::milliseconds(next->ms)));
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) {
      perform(parts_.party.on_time(now(0)));
    }
  });
}

void SingleSignOn::sessions_ended(const std::vector<grant::SessionId>& sessions) {
  for (const grant::SessionId session : sessions) {
    if (agents_.erase(session) > 0) {
      perform(parts_.party.forget(session));
    }
  }
}

net::Task<front::Answer> SingleSignOn::answer(front::SsoRequest request,
                                              std::shared_ptr<const LiveGrant> grant,
                                              Caller& caller) {
  auto body = co_await read_whole(caller);
  front::Answer answer;
  if (!body) {
    caller.distrust();
    answer = front::error_answer(413, "too_large");
  } else if (request.act == front::SsoAct::kFrontChannelLogout) {
    answer = front_channel_logout(request, grant->grant);
  } else if (!parts_.device.is_live(grant->grant.grant_key())) {
    answer = front::error_answer(401, "session_required");  // it ended while the body came
  } else {
    agents_.insert_or_assign(request.session->id, grant->grant.agent);
    switch (request.act) {
      case front::SsoAct::kStart:
      case front::SsoAct::kDevice:
        answer = co_await begin(std::move(request), grant, *std::move(body));
        break;
      case front::SsoAct::kFinish:
        answer = co_await finish(std::move(request), grant, *std::move(body));
        break;
      case front::SsoAct::kOut:
        answer = sign_out(request, grant->grant, *body);
        break;
      default:
        answer = front::sso_state_answer(parts_.party, request.session->id);
    }
  }
  front::Desk::dress_for(answer.fields, grant->grant);
  co_return answer;
}

net::Task<front::Answer> SingleSignOn::begin(front::SsoRequest request,
                                             std::shared_ptr<const LiveGrant> grant,
                                             std::string body) {
  auto start = front::read_sso_start(request, grant->grant, body);
  if (!start) {
    const oidc::Error bad{oidc::ErrorCode::kBadRequest, {}};
    co_return front::sso_error_answer(request, bad);
  }
  if (front::has_to_choose(request, *start, parts_.party)) {
    co_return front::sso_choose_page(request.language, parts_.party.issuers(), start->return_to);
  }
  const oidc::OpId op = next_op_++;
  const oidc::Now at = now(start->session);
  auto waiting = wait_for(op);
  perform(request.act == front::SsoAct::kDevice
              ? parts_.party.start_device(op, *std::move(start), at)
              : parts_.party.start(op, *std::move(start), at));
  const Outcome outcome = co_await outcome_of(op, std::move(waiting));
  if (outcome) {
    if (const auto* redirect = std::get_if<oidc::Redirect>(&*outcome)) {
      co_return front::sso_redirect_answer(request, redirect->url);
    }
    if (const auto* shown = std::get_if<oidc::DeviceCodeShown>(&*outcome)) {
      co_return front::sso_device_answer(*shown);
    }
    if (const auto* failed = std::get_if<oidc::Failed>(&*outcome)) {
      spdlog::info("single sign-on: not begun: {} ({})", oidc::name_of(failed->error.code),
                   failed->error.detail);
      co_return front::sso_error_answer(request, failed->error);
    }
  }
  const oidc::Error late{oidc::ErrorCode::kUnreachable, {}};
  co_return front::sso_error_answer(request, late);
}

net::Task<front::Answer> SingleSignOn::finish(front::SsoRequest request,
                                              std::shared_ptr<const LiveGrant> grant,
                                              std::string body) {
  const auto sent = front::read_sso_finish(body);
  (void)SecretBytes::take(std::move(body));
  if (!sent) {
    const oidc::Error bad{oidc::ErrorCode::kBadRequest, {}};
    co_return front::sso_error_answer(request, bad);
  }
  const oidc::OpId op = next_op_++;
  const grant::SessionId session = request.session->id;
  auto waiting = wait_for(op);
  perform(parts_.party.finish(op, session, *sent, now(session)));
  const Outcome outcome = co_await outcome_of(op, std::move(waiting));
  const auto* done = outcome ? std::get_if<oidc::SignedIn>(&*outcome) : nullptr;
  if (done != nullptr) {
    const auto cookie = parts_.device.renewed_cookie(request.cookie, grant->grant);
    if (cookie) {
      spdlog::info("single sign-on: somebody signed in at {}", grant->grant.host.text());
      front::Answer answer = front::sso_signed_in_answer(done->return_to);
      answer.fields.add("Set-Cookie", *cookie);
      co_return answer;
    }
    // Another answer of this session was quicker, or it is over.
    perform(parts_.party.forget(session));
    co_return front::error_answer(401, "session_required");
  }
  const auto* failed = outcome ? std::get_if<oidc::Failed>(&*outcome) : nullptr;
  const oidc::Error error =
      failed != nullptr ? failed->error : oidc::Error{oidc::ErrorCode::kUnreachable, {}};
  spdlog::info("single sign-on: not signed in: {} ({})", oidc::name_of(error.code), error.detail);
  const std::string return_to = failed != nullptr ? failed->return_to : std::string();
  co_return front::sso_error_answer(request, error, return_to);
}

front::Answer SingleSignOn::sign_out(const front::SsoRequest& request,
                                     const grant::DeviceGrant& grant, const std::string& body) {
  const auto redirect = front::read_sso_out(request, grant, body);
  if (!redirect) {
    return front::sso_error_answer(request, {oidc::ErrorCode::kBadRequest, {}});
  }
  const oidc::OpId op = next_op_++;
  const auto waiting = wait_for(op);
  perform(parts_.party.sign_out(op, request.session->id, *redirect));
  waiting_.erase(op);
  const auto* out = waiting->outcome ? std::get_if<oidc::LoggedOut>(&*waiting->outcome) : nullptr;
  return out != nullptr ? front::sso_out_answer(out->url)
                        : front::sso_error_answer(request, {oidc::ErrorCode::kNotSignedIn, {}});
}

// Always the same answer: who asks learns nothing about who is signed in.
front::Answer SingleSignOn::front_channel_logout(const front::SsoRequest& request,
                                                 const grant::DeviceGrant& grant) {
  const auto asked = front::read_frontchannel_logout(request.query);
  if (asked) {
    perform(parts_.party.front_channel_logout(grant.host.text(), asked->issuer, asked->session));
  }
  const bool known = asked && parts_.party.takes(asked->issuer);
  return front::logged_out_page(known ? oidc::origin_of(asked->issuer) : std::string());
}

}  // namespace latchkey::device
