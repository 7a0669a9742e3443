// `latchkey fetch`: what a page does, from the command line. A ticket from the agent opens a
// session at the device; the request follows on the same connection. TLS is verified against the
// user's own root and the host; redirects are not followed, so a ticket or cookie goes nowhere
// else.
#include <netdb.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "agent_link.h"
#include "base/encoding.h"
#include "base/host_name.h"
#include "base/origin.h"
#include "base/text.h"
#include "commands.h"
#include "fetch_output.h"
#include "grant_view.h"
#include "net/device_client.h"
#include "net/http_stream.h"
#include "wire/names.h"

namespace latchkey::cli {
namespace {

using nlohmann::json;

constexpr std::chrono::milliseconds kConnectTime = std::chrono::seconds(10);
constexpr std::chrono::milliseconds kAnswerTime = std::chrono::seconds(60);
constexpr std::size_t kMaxData = 64U * 1024 * 1024;
constexpr std::string_view kSessionPath = "/.well-known/latchkey/session";
constexpr std::string_view kCookie = "__Host-latchkey=";

struct Address {
  HostName host;
  std::optional<std::uint16_t> port;
  std::string target;
};

std::optional<Address> parse_address(std::string text) {
  if (text.starts_with("https://")) {
    text = text.substr(8);
  }
  const auto fragment = text.find('#');
  text = text.substr(0, fragment);
  const auto path = text.find_first_of("/?");
  std::string authority = text.substr(0, path);
  std::string target = path == std::string::npos ? "/" : text.substr(path);
  if (target.front() == '?') {
    target.insert(0, "/");
  }
  std::optional<std::uint16_t> port;
  if (const auto colon = authority.find(':'); colon != std::string::npos) {
    const std::string digits = authority.substr(colon + 1);
    const long number = digits.size() <= 5 ? std::strtol(digits.c_str(), nullptr, 10) : 0;
    if (number < 1 || number > 65535 || digits != std::to_string(number)) {
      return std::nullopt;
    }
    port = static_cast<std::uint16_t>(number);
    authority.resize(colon);
  }
  const auto host = HostName::parse(authority);
  const bool clean = target.find_first_not_of(
                         "!$%&'()*+,-./0123456789:;=?@ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                         "[]_abcdefghijklmnopqrstuvwxyz~") == std::string::npos;
  if (!host || !clean) {
    return std::nullopt;
  }
  return Address{*host, port, target};
}

// The grant that the request goes by.
Result<json> find_grant(AgentLink& link, const Address& address, const std::string& origin) {
  const auto listed = list_grants(link, false);
  if (!listed) {
    return fail(listed.error());
  }
  for (const json& grant : *listed) {
    if (grant.value("host", "") == address.host.text() && grant.value("state", "") == "active" &&
        (origin.empty() || grant.value("origin", json()) == origin)) {
      return grant;
    }
  }
  return fail(failure_from("not_granted",
                           origin.empty() ? "No web service may use " + address.host.text() + "."
                                          : origin + " may not use " + address.host.text() + "."));
}

Result<net::Endpoints> find_endpoints(const Address& address, std::uint16_t port,
                                      const std::string& resolve) {
  std::string name = address.host.text();
  std::string service = std::to_string(port);
  if (!resolve.empty()) {
    const auto colon = resolve.rfind(':');
    if (colon == std::string::npos) {
      return fail(usage("--resolve takes ADDRESS:PORT.", "For example --resolve 192.168.1.7:8443"));
    }
    name = resolve.substr(0, colon);
    service = resolve.substr(colon + 1);
    if (name.size() > 2 && name.front() == '[' && name.back() == ']') {
      name = name.substr(1, name.size() - 2);
    }
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | (resolve.empty() ? 0 : AI_NUMERICHOST);
  addrinfo* list = nullptr;
  if (::getaddrinfo(name.c_str(), service.c_str(), &hints, &list) != 0) {
    return fail(failure_from("unreachable", "This computer cannot find " + name + " by its name."));
  }
  net::Endpoints endpoints;
  for (const addrinfo* at = list; at != nullptr; at = at->ai_next) {
    net::Endpoint endpoint;
    if (at->ai_addrlen <= endpoint.capacity()) {
      std::memcpy(endpoint.data(), at->ai_addr, at->ai_addrlen);
      endpoint.resize(at->ai_addrlen);
      endpoints.push_back(endpoint);
    }
  }
  ::freeaddrinfo(list);
  return endpoints;
}

Result<Bytes> read_data(const FetchOptions& options) {
  if (!options.data.starts_with('@')) {
    return to_bytes(as_bytes(options.data));
  }
  std::ifstream file(options.data.substr(1), std::ios::binary);
  Bytes bytes;
  std::array<char, 65536> buffer{};
  while (file.read(buffer.data(), buffer.size()) || file.gcount() > 0) {
    append(bytes, as_bytes({buffer.data(), static_cast<std::size_t>(file.gcount())}));
    if (bytes.size() > kMaxData) {
      return fail(usage("The file is over 64 MiB.", "Send it in parts."));
    }
  }
  if (!file.eof()) {
    return fail(usage(options.data.substr(1) + " cannot be read.", "Check the name of the file."));
  }
  return bytes;
}

Failure failure_of(const net::Error& error, const HostName& host) {
  switch (error.code) {
    case net::Error::Code::kTls:
      return {Exit::kFailed, "not_granted",
              "What answers at " + host.text() + " is not your device, or no longer serves you (" +
                  error.detail + ").",
              "Run `latchkey doctor`, or allow it again with `latchkey grant`."};
    case net::Error::Code::kProtocol:
    case net::Error::Code::kLimit:
      return {Exit::kFailed, "malformed", "The device's answer could not be read: " + error.detail,
              "Try again; if it happens again, look for an update of the device."};
    default:
      return failure_from("unreachable", host.text() + " didn't answer.");
  }
}

// One fetch over one connection.
class Exchange {
 public:
  struct Question {
    Address address;
    json grant;
    Bytes root;
    net::Endpoints endpoints;
    wire::HttpRequestHead head;
    Bytes body;
  };
  Exchange(AgentLink& link, Question question, FetchOutput& output)
      : link_(link), question_(std::move(question)), output_(output) {}

  net::Task<Result<int>> run(net::Executor executor) {
    auto stream = co_await connect(executor);
    if (!stream) {
      co_return fail(stream.error());
    }
    net::HttpStream http(**stream);
    auto cookie = co_await open_session(&http, std::string());
    if (!cookie) {
      co_return fail(cookie.error());
    }
    co_return co_await request(&http, *std::move(cookie));
  }

 private:
  net::Task<Result<std::unique_ptr<net::TlsStream>>> connect(net::Executor executor) {
    const HostName& host = question_.address.host;
    net::Error last{net::Error::Code::kRefused, "no address"};
    for (const net::Endpoint& endpoint : question_.endpoints) {
      net::TlsClientConfig config;
      config.sni = host.text();
      config.alpn = {"http/1.1"};
      config.verify = net::VerifyRoot{question_.root, host.text(), std::nullopt};
      auto stream = co_await net::TlsStream::connect(executor, endpoint, std::move(config),
                                                     net::after(kConnectTime));
      if (stream) {
        co_return *std::move(stream);
      }
      last = stream.error();
    }
    co_return fail(failure_of(last, host));
  }

  void add_origin(wire::HttpRequestHead& head) const {
    head.fields.set("Host", host_field());
    const json origin = question_.grant.value("origin", json());
    if (origin.is_string()) {
      head.fields.set("Origin", origin.get<std::string>());
    } else {
      head.fields.set("Sec-Fetch-Site", "none");
    }
  }
  [[nodiscard]] std::string host_field() const {
    const std::string url = question_.grant.value("url", "");
    return url.substr(std::strlen("https://"));
  }

  // The cookie. `nonce`: what the device asked for, where it does not know the time.
  net::Task<Result<std::string>> open_session(net::HttpStream* http, std::string nonce) {
    json params{{"id", question_.grant["id"]}, {"origin", question_.grant.value("origin", json())}};
    if (!nonce.empty()) {
      params["nonce"] = nonce;
    }
    const auto minted = link_.call(wire::kTicketMint, std::move(params));
    if (!minted) {
      co_return fail(minted.error());
    }
    wire::HttpRequestHead head;
    head.method = "POST";
    head.target = kSessionPath;
    add_origin(head);
    head.fields.add("Authorization", "Bearer " + minted->value("ticket", ""));
    const auto answer =
        co_await net::exchange(*http, std::move(head), Bytes(), 4096, net::after(kAnswerTime));
    if (!answer) {
      co_return fail(failure_of(answer.error(), question_.address.host));
    }
    if (answer->head.status == 401 && nonce.empty()) {
      const json said = json::parse(answer->body.begin(), answer->body.end(), nullptr, false);
      if (said.is_object() && said.value("error", json()) == "nonce_required") {
        const json asked = said.value("nonce", json());
        if (asked.is_string() && base64url_decode(asked.get<std::string>(), 16)) {
          co_return co_await open_session(http, asked.get<std::string>());
        }
      }
    }
    const std::string* cookie = answer->head.fields.find("Set-Cookie");
    if (answer->head.status != 204 || cookie == nullptr || !cookie->starts_with(kCookie)) {
      co_return fail(failure_from("not_granted", "The device did not let us in (status " +
                                                     std::to_string(answer->head.status) + ")."));
    }
    co_return cookie->substr(0, cookie->find(';'));
  }

  net::Task<Result<int>> request(net::HttpStream* http, std::string cookie) {
    wire::HttpRequestHead head = question_.head;
    add_origin(head);
    head.fields.set("Cookie", cookie);
    head.fields.set("Connection", "close");
    if (!question_.body.empty() || head.method == "POST" || head.method == "PUT") {
      head.fields.set("Content-Length", std::to_string(question_.body.size()));
    }
    const bool to_head = head.method == "HEAD";
    std::string bytes = net::encode_head(head);
    bytes.append(as_text(question_.body));
    const HostName& host = question_.address.host;
    const auto sent = co_await http->write(std::move(bytes), kAnswerTime);
    if (!sent) {
      co_return fail(failure_of(sent.error(), host));
    }
    do {
      const auto got = co_await http->read_response(to_head, net::after(kAnswerTime));
      if (!got) {
        co_return fail(failure_of(got.error(), host));
      }
    } while (http->message().response_head().status < 200);
    const int status = http->message().response_head().status;
    if (auto begun = output_.begin(http->message().response_head()); !begun) {
      co_return fail(begun.error());
    }
    while (true) {
      const auto piece = co_await http->read_body(net::after(kAnswerTime));
      if (!piece) {
        co_return fail(failure_of(piece.error(), host));
      }
      if (piece->empty()) {
        break;
      }
      if (auto written = output_.write(*piece); !written) {
        co_return fail(written.error());
      }
    }
    co_return status;
  }

  AgentLink& link_;
  Question question_;
  FetchOutput& output_;
};

Result<wire::HttpRequestHead> make_head(const FetchOptions& options, const std::string& target) {
  wire::HttpRequestHead head;
  head.method = !options.method.empty() ? options.method : options.has_data ? "POST" : "GET";
  head.target = target;
  if (!net::is_token(head.method)) {
    return fail(usage("\"" + head.method + "\" is not a method.", "Use one like GET or PUT."));
  }
  for (const std::string& field : options.fields) {
    const auto colon = field.find(':');
    const std::string name = field.substr(0, colon);
    std::string value = colon == std::string::npos ? "" : field.substr(colon + 1);
    value.erase(0, value.find_first_not_of(' '));
    if (colon == std::string::npos || !net::is_token(name) || !net::is_field_value(value)) {
      return fail(usage("\"" + field + "\" is not a header.", "Write it like -H 'Name: value'."));
    }
    for (const char* taken : {"Host", "Origin", "Cookie", "Content-Length", "Transfer-Encoding",
                              "Connection", "Authorization"}) {
      if (wire::iequals(name, taken)) {
        return fail(usage(name + " is set by latchkey itself.", "Leave that -H out."));
      }
    }
    head.fields.add(name, value);
  }
  return head;
}

Result<Bytes> root_of(AgentLink& link) {
  auto anchor = link.call(wire::kAnchorGet, json::object());
  if (!anchor) {
    return fail(anchor.error());
  }
  const auto root = decode_base64(anchor->value("root", ""));
  if (!root) {
    return fail(failure_from("internal", "The agent's answer could not be read."));
  }
  return *root;
}

Result<int> run(const Common& common, const FetchOptions& options, FetchOutput& output) {
  const auto address = parse_address(options.url);
  if (!address) {
    return fail(usage("\"" + options.url + "\" is not an address of a device of yours.",
                      "`latchkey grants --json` shows them; write https://NAME.local/PATH"));
  }
  auto head = make_head(options, address->target);
  if (!head) {
    return fail(head.error());
  }
  auto body = options.has_data ? read_data(options) : Result<Bytes>(Bytes{});
  if (!body) {
    return fail(body.error());
  }
  auto link = AgentLink::open(common.socket, std::nullopt);
  if (!link) {
    return fail(link.error());
  }
  auto grant = find_grant(*link, *address, options.origin);
  if (!grant) {
    return fail(grant.error());
  }
  const auto port = grant->value("port", std::uint16_t{443});
  if (address->port && *address->port != port) {
    return fail(usage("The device is reached on port " + std::to_string(port) + ".",
                      "Leave the port out."));
  }
  auto root = root_of(*link);
  if (!root) {
    return fail(root.error());
  }
  auto endpoints = find_endpoints(*address, port, options.resolve);
  if (!endpoints) {
    return fail(endpoints.error());
  }
  boost::asio::io_context io(1);
  Result<int> outcome = fail(failure_from("cancelled", "Stopped."));
  Exchange exchange(*link,
                    {*address, *std::move(grant), *std::move(root), *std::move(endpoints),
                     *std::move(head), *std::move(body)},
                    output);
  boost::asio::signal_set signals(io, SIGINT, SIGTERM);
  signals.async_wait([&io](const boost::system::error_code& error, int) {
    if (!error) {
      io.stop();
    }
  });
  boost::asio::co_spawn(io, exchange.run(io.get_executor()),
                        [&](const std::exception_ptr& thrown, Result<int> result) {
                          if (!thrown) {
                            outcome = std::move(result);
                          }
                          signals.cancel();
                        });
  io.run();
  return outcome;
}

}  // namespace

int fetch(const Common& common, const Terminal& terminal, const FetchOptions& options) {
  FetchOutput output(terminal, options.output, options.show_head);
  const auto status = run(common, options, output);
  if (!status) {
    output.abandon();
    return terminal.end(status.error());
  }
  if (auto ended = output.end(); !ended) {
    return terminal.end(ended.error());
  }
  const bool good = (*status >= 200 && *status < 300) || *status == 304;
  if (!good && !terminal.json()) {
    terminal.progress("The device answered with status " + std::to_string(*status) + ".");
    if (*status >= 300 && *status < 400) {
      terminal.progress("It points elsewhere; that is not followed. See where with -i.");
    }
  }
  return good ? 0 : 1;
}

}  // namespace latchkey::cli
