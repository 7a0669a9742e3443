// The device as a relying party (OpenID Connect Core, code flow): who is signing in, who is signed
// in, and whether they still are. Pure: what a page asks and what providers answer goes in, effects
// come out; nothing is fetched, slept for or remembered on disk here.
//
//   page asks    -> start()   -> [Fetch documents] -> Redirect       (to the provider)
//   page returns -> finish()  -> Fetch tokens -> [Fetch keys] -> SignedIn, or Failed
//   every 45 s   -> on_time() -> Fetch (refresh or introspection)  -> nothing, or SignedOut
//
// A sign-in under way belongs to the session that began it: `state`, nonce and PKCE verifier are
// made for it, used once, and of no use in any other session, even of the same web service.
// Everything about people is held in memory and ends with the process; the person then signs in
// again, which is silent where the provider still knows them. What the device registered itself as
// goes out to be kept (RememberClient) and is given back at the next start.
//
// What is bounded: sign-ins under way (kMaxFlowsPerSession, kMaxFlows, kFlowLife), work (kMaxJobs),
// providers met through offers (kMaxOffered at once), and whatever the readers of documents bound.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "oidc/discovery.h"
#include "oidc/id_token.h"
#include "oidc/messages.h"
#include "oidc/policy.h"

namespace latchkey::oidc {

using SessionId = std::uint64_t;  // of the page's session at the device
using OpId = std::uint64_t;       // the caller's name for a question it wants an answer to; never 0
using FetchId = std::uint64_t;

struct Now {
  WallTime wall;  // the best known: tokens are judged by it
  MonoTime mono;
};

// A provider that the owner of the device has named.
struct ProviderRules {
  std::string issuer;
  std::optional<Client> client;  // nothing: what the web service offers, or registration
  std::string scope = "openid email";
  std::string groups_claim = "groups";
  std::optional<seconds> max_age;
};
struct PartyRules {
  std::vector<ProviderRules> providers;
  bool accept_offered = false;  // also providers that a web service named and the person agreed to
  Policy policy;
};

// --- effects ---
struct Fetch {
  FetchId id = 0;
  SessionId session = 0;  // on whose account: whose word for the time counts
  std::string issuer;     // for whom
  HttpRequest request;
  bool public_only = true;  // a provider that a web service named never leads into the house
};
struct Redirect {
  OpId op;
  std::string url;
};
struct DeviceCodeShown {
  OpId op;
  std::string user_code, verification_uri, verification_uri_complete;
  seconds life;
};
struct SignedIn {
  OpId op;  // 0: nobody waits; it came over the device grant
  SessionId session;
  std::string return_to;  // as given to start()
};
struct LoggedOut {
  OpId op;
  std::string url;  // where to end the session at the provider, too; may be empty
};
// The session goes on without anybody: what it had open is to end.
struct SignedOut {
  SessionId session;
  std::string why;  // for logs: "refused: invalid_grant" ...
};
struct Failed {
  OpId op;
  Error error;
  std::string return_to = {};  // as given to start(), where it was that sign-in that failed
};
// As whom the device registered itself at a provider, for one redirect URI.
struct RegisteredClient {
  std::string issuer;
  std::string redirect_uri;
  Client client;
};
struct RememberClient {
  RegisteredClient registered;
};
// The provider does not know it any more, or seems not to.
struct ForgetClient {
  std::string issuer, redirect_uri;
};
using Effect = std::variant<Fetch, Redirect, DeviceCodeShown, SignedIn, LoggedOut, SignedOut,
                            Failed, RememberClient, ForgetClient>;
using Effects = std::vector<Effect>;

class RelyingParty {
 public:
  static constexpr std::chrono::milliseconds kCheckEvery = std::chrono::seconds(45);
  // A provider that cannot be reached is believed for so long, then its people are signed out.
  static constexpr std::chrono::milliseconds kOutage = std::chrono::minutes(10);
  // Who cannot be asked about at all (neither a refresh token nor introspection) signs in again
  // after this.
  static constexpr std::chrono::milliseconds kUncheckedLife = std::chrono::minutes(10);
  static constexpr std::chrono::milliseconds kFlowLife = std::chrono::minutes(10);
  static constexpr std::chrono::milliseconds kMetadataLife = std::chrono::hours(12);
  static constexpr std::chrono::milliseconds kKeysAgain = std::chrono::seconds(30);
  static constexpr std::size_t kMaxFlows = 1024;
  static constexpr std::size_t kMaxFlowsPerSession = 8;  // the oldest goes when one more comes
  static constexpr std::size_t kMaxJobs = 256;
  static constexpr std::size_t kMaxOffered = 16;
  static constexpr std::size_t kMaxRegistrations = 64;  // the one used longest ago goes
  // So many people in a row who did not come back: the provider may have forgotten the client, and
  // shows them an error instead of sending them here.
  static constexpr std::size_t kMaxLost = 3;

  // `known`: what RememberClient gave, and ForgetClient did not take back.
  RelyingParty(PartyRules rules, Random& random, std::vector<RegisteredClient> known = {});
  ~RelyingParty();

  struct Start {
    SessionId session = 0;
    std::string host;    // of the device, that the session is for
    std::string issuer;  // empty: the only one there is
    // The client that the web service is at this provider, as the person agreed to; may be empty.
    // Where the owner named one for this provider, theirs counts.
    std::string offered_client;
    bool offered = false;  // the issuer was named by the web service, and the person agreed
    std::string redirect_uri;
    std::string frontchannel_logout_uri;  // for registration; may be empty
    std::string return_to;                // empty, or is_local_path()
    bool silent = false;                  // never show the person anything
    bool anew = false;  // whoever the provider knows already is asked who they are nevertheless
  };
  // Redirect or Failed follows.
  Effects start(OpId op, Start start, Now now);
  // DeviceCodeShown or Failed follows; later SignedIn{0} or SignedOut. `redirect_uri` may be empty.
  Effects start_device(OpId op, Start start, Now now);

  // What the provider sent along when it sent the person back.
  struct Answer {
    std::string state, code, iss, error;
  };
  // SignedIn or Failed follows. Whatever comes of it, this sign-in is over, unless the state is
  // not one of this session's.
  Effects finish(OpId op, SessionId session, const Answer& answer, Now now);

  // LoggedOut or Failed follows. The provider is told to forget the refresh token.
  Effects sign_out(OpId op, SessionId session, std::string_view post_logout_redirect_uri);
  // OpenID Connect Front-Channel Logout: whom the provider's session `sid` signed in on this host.
  Effects front_channel_logout(std::string_view host, std::string_view issuer,
                               std::string_view sid);
  // The session is over: so is everything it had.
  Effects forget(SessionId session);

  struct Reply {
    long status = 0;
    std::string body;
  };
  // Nothing: it could not be fetched in time.
  Effects on_fetched(FetchId id, const std::optional<Reply>& reply, Now now);
  Effects on_time(Now now);
  [[nodiscard]] std::optional<MonoTime> deadline() const;

  [[nodiscard]] const Identity* signed_in(SessionId session) const;
  // Whether the device grant is under way there.
  [[nodiscard]] bool is_pending(SessionId session) const;
  [[nodiscard]] const Policy& policy() const { return rules_.policy; }
  // Those that the owner named, in the order of their names.
  [[nodiscard]] std::vector<std::string> issuers() const;
  // Whether anybody can sign in with what this grant was offered with (may be empty).
  [[nodiscard]] bool takes(std::string_view offered_issuer) const;
  // How much is held, for tests and metrics.
  [[nodiscard]] std::size_t logins() const { return logins_.size(); }
  [[nodiscard]] std::size_t flows() const { return flows_.size(); }
  [[nodiscard]] std::size_t jobs() const { return jobs_.size(); }

 private:
  struct Provider;
  struct Flow;
  struct Login;
  struct Job;
  struct Registration;
  using JobId = std::uint64_t;
  using RegistrationKey = std::pair<std::string, std::string>;  // issuer, redirect URI

  Provider* provider_for(std::string_view issuer, bool offered);
  void forget_idle_offers();
  Effects take() { return std::exchange(out_, {}); }
  Job* open_job(OpId op, SessionId session, Provider& provider);
  void close_job(JobId id);
  void give_up(JobId id, Error error, MonoTime now);
  void fetch(Job& job, HttpRequest request);

  // Each takes a job as far as it goes now.
  void prepare(JobId id, Now now);
  bool has_metadata(Job& job, Provider& provider, Now now);
  bool has_client(Job& job, Provider& provider);
  void send_away(Job& job, Provider& provider, MonoTime now);
  void take_tokens(JobId id, Tokens tokens, Now now);
  void judge(JobId id, Now now);
  void settle(JobId id, Identity who, MonoTime now);
  void on_documents(Job& job, const std::optional<Reply>& reply, Now now);
  void on_token_answer(Job& job, const std::optional<Reply>& reply, Now now);
  void on_device_codes(Job& job, const std::optional<Reply>& reply, Now now);
  void on_registration(Job& job, const std::optional<Reply>& reply, Now now);
  void on_introspection(Job& job, const std::optional<Reply>& reply, Now now);
  void check_later(SessionId session, bool good, MonoTime now);
  void check_now(SessionId session, Login& login, MonoTime now);
  void sign_out_now(SessionId session, std::string why);
  bool make_room_for_flow(SessionId session);
  void keep_registration(RegistrationKey key, Client client);
  void drop_registration(const RegistrationKey& key);
  // Those that a provider refuses, and those from which nobody comes back.
  void doubt_client(const std::string& issuer, const std::string& client);
  void lose_flow(const Flow& flow);

  PartyRules rules_;
  Random& random_;
  std::map<std::string, std::unique_ptr<Provider>, std::less<>> providers_;  // by issuer
  std::map<Digest256, Flow> flows_;                                          // by SHA-256 of state
  std::map<SessionId, Login> logins_;
  std::map<RegistrationKey, Registration> registered_;
  std::map<JobId, Job> jobs_;
  std::map<FetchId, JobId> fetches_;
  std::size_t offered_ = 0;
  std::uint64_t next_ = 1;
  Effects out_;
};

}  // namespace latchkey::oidc
