#include "net/https_fetch.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <mutex>

namespace latchkey::net {
namespace {

constexpr std::size_t kMaxHeaderBytes = 65536;
constexpr std::size_t kMaxValidator = 256;
constexpr long kStallBytes = 128;

using Curl = std::unique_ptr<CURL, decltype(&curl_easy_cleanup)>;
using CurlUrl = std::unique_ptr<CURLU, decltype(&curl_url_cleanup)>;
using Headers = std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)>;

tl::unexpected<FetchError> no(FetchCode code, std::string detail) {
  return fail(FetchError{code, std::move(detail)});
}

// What the callbacks see of one transfer.
struct Transfer {
  const Fetch& request;
  CURL* handle = nullptr;
  Fetched result;
  std::size_t header_bytes = 0;
  bool too_large = false;
  bool forbidden = false;
  bool sink_full = false;
};

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) {
    text.remove_prefix(1);
  }
  while (!text.empty() && (text.back() == '\r' || text.back() == '\n' || text.back() == ' ')) {
    text.remove_suffix(1);
  }
  return text;
}

// The value of `line` where its name is `name` (in lower case) and it can be sent back as it is.
std::string validator(std::string_view line, std::string_view name) {
  const auto same = [](char a, char b) {
    return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
  };
  if (line.size() <= name.size() || line[name.size()] != ':' ||
      !std::equal(name.begin(), name.end(), line.begin(),
                  [&](char wanted, char got) { return same(got, wanted); })) {
    return {};
  }
  const std::string_view value = trimmed(line.substr(name.size() + 1));
  const bool plain =
      value.size() <= kMaxValidator &&
      std::all_of(value.begin(), value.end(), [](char c) { return c >= ' ' && c <= '~'; });
  return plain ? std::string(value) : std::string();
}

std::size_t on_header(char* data, std::size_t size, std::size_t count, void* self) {
  auto& transfer = *static_cast<Transfer*>(self);
  const std::string_view line(data, size * count);
  transfer.header_bytes += line.size();
  if (transfer.header_bytes > kMaxHeaderBytes) {
    transfer.too_large = true;
    return 0;
  }
  if (line.starts_with("HTTP/")) {  // an interim answer's headers are not the answer's
    transfer.result.etag.clear();
    transfer.result.last_modified.clear();
  }
  if (auto etag = validator(line, "etag"); !etag.empty()) {
    transfer.result.etag = std::move(etag);
  }
  if (auto modified = validator(line, "last-modified"); !modified.empty()) {
    transfer.result.last_modified = std::move(modified);
  }
  return line.size();
}

std::size_t on_body(char* data, std::size_t size, std::size_t count, void* self) {
  auto& transfer = *static_cast<Transfer*>(self);
  const std::size_t length = size * count;
  if (length > transfer.request.limit - transfer.result.bytes) {
    transfer.too_large = true;
    return 0;
  }
  transfer.result.bytes += length;
  long status = 0;
  curl_easy_getinfo(transfer.handle, CURLINFO_RESPONSE_CODE, &status);
  if (status != 200) {
    return length;
  }
  const ByteSpan bytes(reinterpret_cast<const std::uint8_t*>(data), length);
  if (transfer.request.sink) {
    if (!transfer.request.sink(bytes)) {
      transfer.sink_full = true;
      return 0;
    }
  } else {
    transfer.result.body.insert(transfer.result.body.end(), bytes.begin(), bytes.end());
  }
  return length;
}

int on_progress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  const auto* cancel = static_cast<Transfer*>(self)->request.cancel;
  return cancel != nullptr && cancel->load() ? 1 : 0;
}

// The address is judged here, after the name was looked up and for every attempt: a name that leads
// elsewhere the second time changes nothing.
curl_socket_t open_socket(void* self, curlsocktype, curl_sockaddr* address) {
  auto& transfer = *static_cast<Transfer*>(self);
  if (transfer.request.public_only && !is_public_address(&address->addr)) {
    transfer.forbidden = true;
    return CURL_SOCKET_BAD;
  }
  return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

bool is_fetchable(const std::string& url) {
  const CurlUrl parsed(curl_url(), &curl_url_cleanup);
  if (parsed == nullptr || !url.starts_with("https://") ||
      curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), CURLU_DISALLOW_USER) != CURLUE_OK) {
    return false;
  }
  char* fragment = nullptr;
  const bool has_fragment =
      curl_url_get(parsed.get(), CURLUPART_FRAGMENT, &fragment, 0) == CURLUE_OK;
  curl_free(fragment);
  return !has_fragment;
}

Headers headers_of(const Fetch& request) {
  Headers headers(nullptr, &curl_slist_free_all);
  const auto add = [&](const std::string& line) {
    if (curl_slist* longer = curl_slist_append(headers.get(), line.c_str()); longer != nullptr) {
      (void)headers.release();
      headers.reset(longer);
    }
  };
  add("Accept:");  // curl's own would be "*/*": say nothing
  if (!request.etag.empty()) {
    add("If-None-Match: " + request.etag);
  }
  if (!request.last_modified.empty()) {
    add("If-Modified-Since: " + request.last_modified);
  }
  return headers;
}

void set_up(CURL* handle, Transfer& transfer, curl_slist* headers) {
  const Fetch& request = transfer.request;
  const auto set = [handle](CURLoption option, auto value) {
    LATCHKEY_CHECK(curl_easy_setopt(handle, option, value) == CURLE_OK);
  };
  set(CURLOPT_URL, request.url.c_str());
  set(CURLOPT_PROTOCOLS_STR, "https");
  set(CURLOPT_FOLLOWLOCATION, 0L);
  set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(CURLOPT_HTTP09_ALLOWED, 0L);
  set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  set(CURLOPT_SSL_VERIFYPEER, 1L);
  set(CURLOPT_SSL_VERIFYHOST, 2L);
  if (!request.ca_file.empty()) {
    set(CURLOPT_CAINFO, request.ca_file.c_str());
    set(CURLOPT_CAPATH, static_cast<const char*>(nullptr));
  }
  if (!request.use_proxy || request.public_only) {
    set(CURLOPT_PROXY, "");  // otherwise the environment decides
  }
  set(CURLOPT_USERAGENT, "latchkey");
  set(CURLOPT_HTTPHEADER, headers);
  set(CURLOPT_NOSIGNAL, 1L);  // other threads are none of its business
  set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(request.connect_time.count()));
  set(CURLOPT_TIMEOUT_MS, static_cast<long>(request.total_time.count()));
  set(CURLOPT_LOW_SPEED_LIMIT, kStallBytes);
  set(CURLOPT_LOW_SPEED_TIME, static_cast<long>(request.stall_time.count()));
  set(CURLOPT_MAXFILESIZE_LARGE,
      static_cast<curl_off_t>(std::min<std::uint64_t>(request.limit, INT64_MAX)));
  set(CURLOPT_HEADERFUNCTION, &on_header);
  set(CURLOPT_HEADERDATA, &transfer);
  set(CURLOPT_WRITEFUNCTION, &on_body);
  set(CURLOPT_WRITEDATA, &transfer);
  set(CURLOPT_NOPROGRESS, 0L);
  set(CURLOPT_XFERINFOFUNCTION, &on_progress);
  set(CURLOPT_XFERINFODATA, &transfer);
  set(CURLOPT_OPENSOCKETFUNCTION, &open_socket);
  set(CURLOPT_OPENSOCKETDATA, &transfer);
}

FetchCode code_of(CURLcode code) {
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
      return FetchCode::kUnreachable;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_CONNECT_ERROR:
      return FetchCode::kUntrusted;
    case CURLE_OPERATION_TIMEDOUT:
      return FetchCode::kTimeout;
    case CURLE_FILESIZE_EXCEEDED:
      return FetchCode::kTooLarge;
    case CURLE_ABORTED_BY_CALLBACK:
      return FetchCode::kCancelled;
    case CURLE_URL_MALFORMAT:
      return FetchCode::kInvalid;
    default:
      return FetchCode::kBroken;
  }
}

bool between(std::uint32_t value, std::uint32_t network, unsigned bits) {
  return (value ^ network) >> (32 - bits) == 0;
}

bool is_public_v4(std::uint32_t a) {
  struct Block {
    std::uint32_t network;
    unsigned bits;
  };
  static constexpr std::array kSpecial = {
      Block{0x00000000, 8},  Block{0x0a000000, 8},  Block{0x64400000, 10}, Block{0x7f000000, 8},
      Block{0xa9fe0000, 16}, Block{0xac100000, 12}, Block{0xc0000000, 24}, Block{0xc0000200, 24},
      Block{0xc0586300, 24}, Block{0xc0a80000, 16}, Block{0xc6120000, 15}, Block{0xc6336400, 24},
      Block{0xcb007100, 24}, Block{0xe0000000, 3}};
  return std::none_of(kSpecial.begin(), kSpecial.end(),
                      [a](const Block& block) { return between(a, block.network, block.bits); });
}

}  // namespace

bool is_public_address(const sockaddr* address) {
  if (address->sa_family == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, address, sizeof in);
    return is_public_v4(ntohl(in.sin_addr.s_addr));
  }
  if (address->sa_family != AF_INET6) {
    return false;
  }
  sockaddr_in6 in{};
  std::memcpy(&in, address, sizeof in);
  const auto* b = in.sin6_addr.s6_addr;
  const unsigned first = (static_cast<unsigned>(b[0]) << 8U) | b[1];
  const unsigned second = (static_cast<unsigned>(b[2]) << 8U) | b[3];
  // Global unicast is 2000::/3; inside it, 2001::/23 (Teredo and others), documentation and 6to4
  // lead elsewhere. Mapped and translated IPv4 lies outside.
  return first >> 13U == 1 && !(first == 0x2001 && (second < 0x0200 || second == 0x0db8)) &&
         first != 0x2002 && first != 0x3fff;
}

latchkey::Result<Fetched, FetchError> fetch(const Fetch& request) {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
  if (!is_fetchable(request.url)) {
    return no(FetchCode::kInvalid, "not an https URL");
  }
  if (request.cancel != nullptr && request.cancel->load()) {
    return no(FetchCode::kCancelled, "cancelled");
  }
  const Curl handle(curl_easy_init(), &curl_easy_cleanup);
  if (handle == nullptr) {
    return no(FetchCode::kBroken, "no memory");
  }
  Transfer transfer{.request = request, .handle = handle.get(), .result = {}};
  const Headers headers = headers_of(request);
  set_up(handle.get(), transfer, headers.get());
  std::array<char, CURL_ERROR_SIZE> why{};
  curl_easy_setopt(handle.get(), CURLOPT_ERRORBUFFER, why.data());
  const CURLcode done = curl_easy_perform(handle.get());
  if (transfer.too_large) {
    return no(FetchCode::kTooLarge, "more than " + std::to_string(request.limit) + " bytes");
  }
  if (transfer.sink_full) {
    return no(FetchCode::kCancelled, "it could not be written down");
  }
  if (done != CURLE_OK && transfer.forbidden) {
    return no(FetchCode::kForbidden, "the name leads to an address that is not public");
  }
  if (done != CURLE_OK) {
    return no(code_of(done), why[0] != '\0' ? why.data() : curl_easy_strerror(done));
  }
  curl_easy_getinfo(handle.get(), CURLINFO_RESPONSE_CODE, &transfer.result.status);
  return std::move(transfer.result);
}

}  // namespace latchkey::net
