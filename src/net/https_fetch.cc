#include "net/https_fetch.h"

#include <curl/curl.h>
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
  wire::HttpFields fields;
  bool head_shown = false;
  bool unwanted = false;
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

bool is_plain(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

// The value of the field where it can be sent back as it is.
std::string validator(const wire::HttpFields& fields, std::string_view name) {
  const std::string* value = fields.find(name);
  return value != nullptr && value->size() <= kMaxValidator ? *value : std::string();
}

std::size_t on_header(char* data, std::size_t size, std::size_t count, void* self) {
  auto& transfer = *static_cast<Transfer*>(self);
  const std::string_view line(data, size * count);
  transfer.header_bytes += line.size();
  if (transfer.header_bytes > kMaxHeaderBytes) {
    transfer.too_large = true;
    return 0;
  }
  if (transfer.head_shown) {
    return line.size();  // trailers change nothing
  }
  if (line.starts_with("HTTP/")) {  // an interim answer's headers are not the answer's
    transfer.fields = {};
    return line.size();
  }
  const std::size_t colon = line.find(':');
  if (colon != std::string_view::npos) {
    const std::string_view value = trimmed(line.substr(colon + 1));
    if (is_plain(line.substr(0, colon)) && is_plain(value)) {
      transfer.fields.add(line.substr(0, colon), value);
    }
  }
  return line.size();
}

// False: the body is not wanted.
bool show_head(Transfer& transfer) {
  if (transfer.head_shown) {
    return true;
  }
  transfer.head_shown = true;
  long status = 0;
  curl_easy_getinfo(transfer.handle, CURLINFO_RESPONSE_CODE, &status);
  transfer.result.status = status;
  transfer.unwanted =
      transfer.request.on_head && !transfer.request.on_head(status, transfer.fields);
  return !transfer.unwanted;
}

std::size_t on_body(char* data, std::size_t size, std::size_t count, void* self) {
  auto& transfer = *static_cast<Transfer*>(self);
  const std::size_t length = size * count;
  if (!show_head(transfer)) {
    return 0;
  }
  if (length > transfer.request.limit - transfer.result.bytes) {
    transfer.too_large = true;
    return 0;
  }
  transfer.result.bytes += length;
  if (transfer.result.status != 200 && !transfer.request.on_head) {
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

bool may_reach(const Fetch& request, const sockaddr* address) {
  const auto holds = [address](const Network& network) { return network.contains(address); };
  if (std::any_of(request.also.begin(), request.also.end(), holds)) {
    return true;
  }
  if (!is_public_address(address)) {
    return false;
  }
  const auto own = request.not_at_home ? own_networks() : std::vector<Network>();
  return own && std::none_of(own->begin(), own->end(), holds);
}

// The address is judged here, after the name was looked up and for every attempt: a name that leads
// elsewhere the second time changes nothing.
curl_socket_t open_socket(void* self, curlsocktype, curl_sockaddr* address) {
  auto& transfer = *static_cast<Transfer*>(self);
  if (transfer.request.public_only && !may_reach(transfer.request, &address->addr)) {
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
  if (request.post) {
    add("Content-Type: " + std::string(request.post_type));
    add("Expect:");  // curl's own: it would wait a second for a "100 Continue"
  }
  if (!request.authorization.empty()) {
    add("Authorization: " + std::string(request.authorization));
  }
  if (!request.etag.empty()) {
    add("If-None-Match: " + request.etag);
  }
  if (!request.last_modified.empty()) {
    add("If-Modified-Since: " + request.last_modified);
  }
  if (!request.origin.empty()) {
    add("Origin: " + request.origin);
  }
  if (request.from > 0) {
    add("Range: bytes=" + std::to_string(request.from) + "-");
    if (!request.if_range.empty()) {
      add("If-Range: " + request.if_range);
    }
  }
  return headers;
}

void set_up(CURL* handle, Transfer& transfer, curl_slist* headers) {
  const Fetch& request = transfer.request;
  const auto set = [handle](CURLoption option, auto value) {
    LATCHKEY_CHECK(curl_easy_setopt(handle, option, value) == CURLE_OK);
  };
  set(CURLOPT_URL, request.url.c_str());
  if (request.post) {
    set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.post->size()));
    set(CURLOPT_POSTFIELDS, request.post->data());
  }
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
  set(CURLOPT_QUICK_EXIT, 1L);  // who cancels does not wait for a name server
  set(CURLOPT_NOSIGNAL, 1L);    // other threads are none of its business
  set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(request.connect_time.count()));
  set(CURLOPT_TIMEOUT_MS, static_cast<long>(request.total_time.count()));
  set(CURLOPT_LOW_SPEED_LIMIT, request.least_speed);
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

}  // namespace

FetchSession::FetchSession() {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
  handle_ = curl_easy_init();
}

FetchSession::~FetchSession() {
  curl_easy_cleanup(static_cast<CURL*>(handle_));
}

latchkey::Result<Fetched, FetchError> fetch(const Fetch& request) {
  return FetchSession().fetch(request);
}

latchkey::Result<Fetched, FetchError> FetchSession::fetch(const Fetch& request) {
  if (!is_fetchable(request.url)) {
    return no(FetchCode::kInvalid, "not an https URL");
  }
  if (request.cancel != nullptr && request.cancel->load()) {
    return no(FetchCode::kCancelled, "cancelled");
  }
  CURL* const handle = static_cast<CURL*>(handle_);
  if (handle == nullptr) {
    return no(FetchCode::kBroken, "no memory");
  }
  Transfer transfer{.request = request, .handle = handle, .result = {}, .fields = {}};
  const Headers headers = headers_of(request);
  curl_easy_reset(handle);  // connections stay
  set_up(handle, transfer, headers.get());
  std::array<char, CURL_ERROR_SIZE> why{};
  curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, why.data());
  const CURLcode done = curl_easy_perform(handle);
  // Neither what it was told nor where the reasons go outlives this.
  const std::string reason = why[0] != '\0' ? why.data() : curl_easy_strerror(done);
  if (done == CURLE_OK) {
    (void)show_head(transfer);
  }
  curl_easy_reset(handle);
  if (transfer.unwanted) {
    return no(FetchCode::kCancelled, "it is not wanted");
  }
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
    return no(code_of(done), reason);
  }
  transfer.result.etag = validator(transfer.fields, "etag");
  transfer.result.last_modified = validator(transfer.fields, "last-modified");
  return std::move(transfer.result);
}

}  // namespace latchkey::net
