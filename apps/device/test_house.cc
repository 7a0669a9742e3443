#include "device/test_house.h"

#include "base/encoding.h"
#include "device/listening.h"

namespace latchkey::device::testing {

Agent::Agent(Random& random, const Clock& clock)
    : root(pki::make_user_root(crypto::PrivateKey::generate(), {}, clock.wall_now(), random)
               .value()),
      random_(random),
      clock_(clock) {}

wire::Offer Agent::make_offer(const HostName& host, std::optional<Origin> origin) {
  AgentGrant grant{.id = GrantId::make(random_),
                   .host = host,
                   .origin = std::move(origin),
                   .ca = std::nullopt,
                   .leaf = {}};
  grant.ca = pki::make_grant_ca(root, host, clock_.wall_now(), random_).value();
  wire::Offer offer{grant.id,
                    grant.origin,
                    host,
                    random_.bytes<32>(),
                    management_key.public_key().spki(),
                    grant.ticket_key.public_key().spki(),
                    grant.sub,
                    clock_.wall_now()};
  grants.emplace(grant.id, std::move(grant));
  return offer;
}

wire::Result<enroll::AgentDesk::Planned> Agent::plan(const DeviceId& /*device*/) {
  return Planned{make_offer(next_host, next_origin), "media-cache", {}};
}

wire::CertMessage Agent::certify(AgentGrant& grant, const crypto::PublicKey& key) {
  grant.leaf = pki::issue_leaf(*grant.ca, grant.host, key, clock_.wall_now(), random_).value();
  return {grant.id, grant.leaf, grant.ca->certificate, clock_.wall_now() + 300000s};
}

wire::Result<wire::CertMessage> Agent::issue(const GrantId& grant,
                                             const wire::CsrMessage& /*message*/,
                                             const enroll::AcceptedCsr& accepted) {
  return certify(grants.at(grant), accepted.key);
}

wire::Result<void> Agent::installed(const GrantId& /*grant*/, std::uint16_t /*port*/) {
  return {};
}

std::string Agent::ticket(const AgentGrant& grant, std::optional<std::string> nonce) {
  std::optional<grant::TicketNonce> parsed;
  if (nonce) {
    parsed = grant::TicketNonce::from_bytes(base64url_decode(*nonce, 16).value());
  }
  const WallTime now = clock_.wall_now();
  return grant::mint_ticket({grant.id, grant.host, grant.origin, grant.sub, now, now + 60s,
                             grant::TicketId::make(random_), parsed},
                            grant.ticket_key);
}

House::House() {
  std::string name = (std::filesystem::temp_directory_path() / "latchkey-device-XXXXXX").string();
  LATCHKEY_CHECK(::mkdtemp(name.data()) != nullptr);
  folder_ = name;
}

House::~House() {
  bring_down();
  std::filesystem::remove_all(folder_);
}

void House::start(std::unique_ptr<Backend> backend, Timeouts timeouts, Limits limits) {
  backend_ = std::move(backend);
  timeouts_ = timeouts;
  limits_ = limits;
  log_ = AccessLog::open(path("access.log"));
  bring_up();
}

void House::bring_up() {
  auto opened = store::DeviceStore::open(folder_ / "state", sealer_, random_);
  LATCHKEY_CHECK(opened.has_value());
  store_ = *std::move(opened);
  const auto listening = listen_on("127.0.0.1", port_);
  LATCHKEY_CHECK(listening.has_value());
  port_ = listening->port;
  auto profile = load_profile(*store_, random_, "Hall cache", "media-cache");
  LATCHKEY_CHECK(profile.has_value());
  device_ = Device::open({*store_, random_, clock_}, *std::move(profile), port_).value();
  opener_ = std::make_unique<WindowOpener>(io_.get_executor(), *device_);
  page_ = std::make_unique<PageActs>(PageActs::Parts{*device_, *opener_, may_open_window_});
  const Server::Parts parts{*device_, *backend_, *page_, *log_, metrics_, timeouts_, limits_};
  server_ = std::make_unique<Server>(io_.get_executor(), parts);
  server_->start(listening->fd);
}

void House::bring_down() {
  if (server_) {
    server_->stop();
    wait_until([this] { return server_->empty(); });
  }
  server_.reset();
  page_.reset();
  opener_.reset();
  device_.reset();
  store_.reset();
}

void House::restart() {
  bring_down();
  bring_up();
}

void House::spawn(net::Task<void> task) {
  ++running_;
  asio::co_spawn(io_, std::move(task), [this](const std::exception_ptr&) { --running_; });
}

asio::ip::tcp::endpoint House::endpoint() const {
  return {asio::ip::make_address("127.0.0.1"), port_};
}

net::Task<net::Result<std::unique_ptr<net::TlsStream>>> House::dial(net::TlsClientConfig config) {
  co_return co_await net::TlsStream::connect(io_.get_executor(), endpoint(), std::move(config),
                                             net::after(5s));
}

pairing::PairingCode House::open_window() {
  auto code = pairing::PairingCode::make(wire::CodeKind::kDigits8, random_);
  const auto salt = random_.bytes<16>();
  const auto key = pairing::derive_password_key(code, salt, 10000);
  const auto opened =
      device_->open_window({code.kind(), to_bytes(salt), 10000, pairing::verifier_for(key)}, 10min);
  EXPECT_TRUE(opened);
  return code;
}

GrantId House::pair() {
  EXPECT_FALSE(pair_with(open_window()));
  for (const auto& [id, grant] : agent_.grants) {
    if (grant.host == agent_.next_host) {
      return id;
    }
  }
  LATCHKEY_CHECK(false);
}

std::optional<wire::Error> House::pair_with(pairing::PairingCode code) {
  const auto talk = [](House& house,
                       pairing::PairingCode typed) -> net::Task<std::optional<wire::Error>> {
    net::TlsClientConfig config;
    config.alpn = {std::string(wire::kAlpnPair)};
    config.verify = net::VerifyNone{};
    auto stream = co_await house.dial(std::move(config));
    if (!stream) {
      co_return wire::Error{wire::ErrorCode::kWindowClosed, stream.error().detail, false};
    }
    const auto key = crypto::certificate_key((*stream)->peer_certificate().value()).value();
    const auto binding = (*stream)->exporter(wire::kExporterPair).value();
    const DeviceId shown(key.spki_hash().bytes());
    co_return co_await house.pair_over(**stream, binding, shown, std::move(typed));
  };
  return run(talk(*this, std::move(code)));
}

net::Task<std::optional<wire::Error>> House::pair_over(net::ByteStream& stream, Digest256 binding,
                                                       std::optional<DeviceId> shown,
                                                       pairing::PairingCode code) {
  enroll::AgentSession session(agent_, random_, binding, shown, std::nullopt);
  auto effects = session.start(clock_.mono_now());
  Bytes block(4096);
  while (true) {
    for (std::size_t i = 0; i < effects.size(); ++i) {
      if (const auto* send = std::get_if<enroll::SendBytes>(&effects[i])) {
        (void)co_await stream.write_all(send->bytes, 5s);
      } else if (const auto* needed = std::get_if<enroll::CodeNeeded>(&effects[i])) {
        auto more = session.on_password_key(
            clock_.mono_now(),
            pairing::derive_password_key(code, needed->salt, needed->iterations));
        effects.insert(effects.end(), std::make_move_iterator(more.begin()),
                       std::make_move_iterator(more.end()));
      } else if (const auto* error = std::get_if<enroll::Failed>(&effects[i])) {
        co_return error->error;
      } else if (std::holds_alternative<enroll::Enrolled>(effects[i])) {
        co_return std::nullopt;
      }
    }
    const auto got = co_await stream.read_some(block, net::after(5s));
    if (!got || *got == 0) {
      co_return wire::Error{wire::ErrorCode::kUnreachable, "cut off", false};
    }
    effects = session.on_bytes(clock_.mono_now(), ByteSpan(block).first(*got));
  }
}

net::Task<Page> House::open_page(const AgentGrant& grant) {
  net::TlsClientConfig config;
  config.sni = grant.host.text();
  config.alpn = {"http/1.1"};
  config.verify = net::VerifyRoot{agent_.root.certificate, grant.host.text(), clock_.wall_now()};
  auto stream = co_await dial(std::move(config));
  Page page;
  if (stream) {
    page.stream = *std::move(stream);
    page.http = std::make_unique<net::HttpStream>(*page.stream);
  }
  co_return page;
}

net::Task<net::HttpAnswer> House::ask(Page& page, wire::HttpRequestHead head, Bytes body) {
  auto answer = co_await net::exchange(*page.http, std::move(head), std::move(body), 1 << 24,
                                       net::after(10s));
  net::HttpAnswer none;
  none.head.status = 0;
  co_return answer ? *std::move(answer) : std::move(none);
}

wire::HttpRequestHead House::request(const AgentGrant& grant, std::string method,
                                     std::string target) {
  wire::HttpRequestHead head{std::move(method), std::move(target), 1, {}};
  const std::string authority = grant.host.text() + ":" + std::to_string(port_);
  head.fields.add("Host", authority);
  head.fields.add("Origin", grant.origin ? grant.origin->text() : "https://" + authority);
  if (!cookie_.empty()) {
    head.fields.add("Cookie", cookie_);
  }
  return head;
}

net::Task<int> House::sign_in(AgentGrant grant) {
  std::optional<std::string> nonce;
  Page page = co_await open_page(grant);
  for (int i = 0; i < 2 && page.http; ++i) {
    auto head = request(grant, "POST", "/.well-known/latchkey/session");
    head.fields.add("Authorization", "Bearer " + agent_.ticket(grant, nonce));
    const net::HttpAnswer answer = co_await ask(page, std::move(head));
    const std::string body(as_text(answer.body));
    const std::string prefix = R"({"error":"nonce_required","nonce":")";
    if (body.starts_with(prefix)) {
      nonce = body.substr(prefix.size(), body.size() - prefix.size() - 2);
      continue;
    }
    if (const std::string* cookie = answer.head.fields.find("Set-Cookie")) {
      cookie_ = cookie->substr(0, cookie->find(';'));
    }
    co_return answer.head.status;
  }
  co_return 0;
}

net::Task<House::Managed> House::manage(std::string method, std::string target, Bytes body) {
  net::TlsClientConfig config;
  config.alpn = {std::string(wire::kAlpnManage)};
  config.verify = net::VerifyNone{};
  config.identity = net::TlsIdentity::make(agent_.management_key,
                                           {crypto::make_bare_certificate(agent_.management_key)})
                        .value();
  auto stream = co_await dial(std::move(config));
  Managed out;
  if (!stream) {
    co_return out;
  }
  out.exporter = (*stream)->exporter(wire::kExporterManage).value();
  net::HttpStream http(**stream);
  wire::HttpRequestHead head{std::move(method), std::move(target), 1, {}};
  head.fields.add("Host", "latchkey");
  head.fields.add("Latchkey-Time", std::to_string(clock_.wall_now().unix_seconds));
  auto answer =
      co_await net::exchange(http, std::move(head), std::move(body), 65536, net::after(5s));
  if (answer) {
    out.status = answer->head.status;
    out.body = std::move(answer->body);
  }
  co_return out;
}

}  // namespace latchkey::device::testing
