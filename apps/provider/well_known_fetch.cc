#include "well_known_fetch.h"

#include "net/https_fetch.h"

namespace latchkey::providerd {
namespace {

using provider::Error;
using provider::ErrorCode;

class Fetcher final : public provider::WellKnown {
 public:
  explicit Fetcher(WellKnownOptions options) : options_(std::move(options)) {}

  provider::Result<std::string> fetch(const Origin& origin) override {
    net::Fetch request;
    request.url = origin.text() + std::string(provider::kWellKnownPath);
    request.limit = provider::kMaxWellKnown;
    request.ca_file = options_.ca_file;
    request.public_only = !options_.allow_private;
    request.connect_time = std::chrono::seconds(10);
    request.total_time = std::chrono::seconds(20);
    const auto fetched = net::fetch(request);
    if (!fetched) {
      return fail(explain(request.url, fetched.error()));
    }
    if (fetched->status != 200) {
      return fail(Error{ErrorCode::kUnreachable,
                        request.url + " answered " + std::to_string(fetched->status) +
                            ": the file must be there itself, without a redirect"});
    }
    return std::string(as_text(fetched->body));
  }

 private:
  static Error explain(const std::string& url, const net::FetchError& error) {
    switch (error.code) {
      case net::FetchCode::kForbidden:
        return {ErrorCode::kInvalid,
                url +
                    " is on a private address: only a web service that everybody reaches can "
                    "be registered (--allow-private, where the network is yours)"};
      case net::FetchCode::kTooLarge:
        return {ErrorCode::kInvalid, url + " is over 16 KiB"};
      case net::FetchCode::kUntrusted:
        return {ErrorCode::kUnreachable,
                url + " does not prove that it is this host: " + error.detail};
      default:
        return {ErrorCode::kUnreachable, url + " cannot be read: " + error.detail};
    }
  }

  WellKnownOptions options_;
};

}  // namespace

std::unique_ptr<provider::WellKnown> fetch_well_known(WellKnownOptions options) {
  return std::make_unique<Fetcher>(std::move(options));
}

}  // namespace latchkey::providerd
