#include "device/metrics_server.h"

#include <charconv>

#include "front/answers.h"
#include "net/accepting.h"
#include "net/http_stream.h"

namespace latchkey::device {

namespace {

constexpr std::chrono::milliseconds kPatience = std::chrono::seconds(5);
constexpr std::chrono::milliseconds kIdle = std::chrono::seconds(120);  // scrapers keep connections

// A page in a browser can send requests here, and with a name of its own that leads here it could
// read the answers: those say where they come from, or which name they think this is.
bool is_from_a_browser(const wire::HttpRequestHead& head) {
  const std::string* host = head.fields.find("Host");
  if (head.fields.count("Host") != 1 || head.fields.has("Origin") ||
      head.fields.has("Sec-Fetch-Site")) {
    return true;
  }
  const std::string name = host->substr(0, host->rfind(':'));
  return name != "127.0.0.1" && name != "localhost" && name != "[::1]";
}

wire::HttpResponseHead head_of(int status, std::size_t size, bool keep) {
  wire::HttpResponseHead head;
  head.status = status;
  head.fields.add("Content-Type", status == 200 ? front::kMetricsType : "text/plain");
  head.fields.add("Content-Length", std::to_string(size));
  if (!keep) {
    head.fields.add("Connection", "close");
  }
  return head;
}

}  // namespace

std::optional<MetricsAddress> parse_metrics_address(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) {
    return std::nullopt;
  }
  const std::string_view host = text.substr(0, colon);
  const std::string_view digits = text.substr(colon + 1);
  MetricsAddress out;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out.port);
  if (error != std::errc{} || end != digits.data() + digits.size()) {
    return std::nullopt;
  }
  if (host == "[::1]") {
    out.ip = "::1";
  } else if (host == "127.0.0.1" || host == "localhost") {
    out.ip = "127.0.0.1";
  } else {
    return std::nullopt;
  }
  return out;
}

MetricsServer::MetricsServer(net::Executor executor, std::function<std::string()> page)
    : executor_(executor), page_(std::move(page)), tasks_(std::move(executor)) {}

void MetricsServer::start(int listener) {
  listener_ = net::WatchedFd::take(executor_, listener);
  tasks_.spawn(net::accept_each(listener_, [this](net::OwnedFd fd, const net::PeerAddress&) {
    if (open_ < kMaxConnections) {
      tasks_.spawn(serve(fd.release()));
    }
  }));
}

void MetricsServer::stop() {
  if (listener_) {
    listener_->close();
  }
  tasks_.cancel();
}

net::Task<void> MetricsServer::serve(int fd) {
  struct Seat {
    std::size_t& open;
    explicit Seat(std::size_t& count) : open(count) { ++open; }
    ~Seat() { --open; }
  };
  const Seat seat(open_);
  net::FdStream stream(executor_, fd);
  net::HttpStream http(stream);
  while (true) {
    const auto read = co_await http.read_request(net::after(kIdle), kPatience);
    if (!read || !http.message().done()) {
      co_return;  // nobody sends a body here
    }
    const wire::HttpRequestHead& head = http.message().request_head();
    const bool known = head.target == "/metrics" && (head.method == "GET" || head.method == "HEAD");
    const int status = is_from_a_browser(head) ? 403 : known ? 200 : 404;
    const std::string body = status == 200 ? page_() : std::string();
    const bool keep = http.message().keep_alive() && status == 200;
    std::string bytes = net::encode_head(head_of(status, body.size(), keep));
    bytes.append(head.method == "HEAD" ? "" : body);
    if (!co_await http.write(std::move(bytes), kPatience) || !keep) {
      co_return;
    }
  }
}

}  // namespace latchkey::device
