// What RelyingParty holds. Private to src/oidc.
#pragma once

#include "oidc/party.h"

namespace latchkey::oidc {

struct RelyingParty::Provider {
  ProviderRules rules;
  bool offered = false;
  std::optional<Metadata> metadata;
  MonoTime metadata_until;
  KeySet keys;
  std::optional<MonoTime> keys_asked;  // when they were last asked for
};

struct RelyingParty::Registration {
  Client client;
  std::uint64_t used = 0;  // counts up over all of them
  std::size_t lost = 0;    // people in a row who were sent away with it and did not come back
};

// Sent to the provider and not back yet.
struct RelyingParty::Flow {
  SessionId session = 0;
  std::string issuer;
  std::string host;
  Client client;
  std::string redirect_uri;
  std::string nonce;
  SecretBytes verifier;
  std::string return_to;
  MonoTime ends;
};

struct RelyingParty::Login {
  Identity who;
  Client client;
  std::string host;
  std::string id_token;  // the last one: a hint for logging out
  SecretBytes access;
  SecretBytes refresh;
  MonoTime next_check;
  MonoTime last_good;
  bool checking = false;
};

// Something under way for one session.
struct RelyingParty::Job {
  enum class Kind { kSignIn, kDevice, kFinish, kCheck, kFarewell };
  enum class Waits { kNothing, kMetadata, kRegistration, kTokens, kKeys, kCodes, kPoll, kActive };
  JobId id = 0;
  OpId op = 0;
  SessionId session = 0;
  std::string issuer;
  Kind kind = Kind::kSignIn;
  Waits waits = Waits::kNothing;
  Start start{};
  Client client{};  // empty id: not known yet
  std::string nonce{};
  std::string return_to{};
  std::string host{};
  Tokens tokens{};
  bool asked_keys = false;  // for this very token
  SecretBytes device_code{};
  seconds interval{5};
  MonoTime poll_at{};
  MonoTime ends{};
};

}  // namespace latchkey::oidc
