#include "discovery/browser.h"

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "discovery/backend.h"
#include "discovery/poll.h"
#include "discovery/service_table.h"

namespace latchkey::discovery {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
constexpr milliseconds kTick{100};
constexpr milliseconds kRetry{1000};
constexpr milliseconds kRescan{5000};
constexpr std::size_t kMaxUnanswered = 128;
// Long enough for a question and its repetition after a second. Avahi would wait for five.
constexpr milliseconds kPatience{1500};
// After so many attempts in a row without an answer a name is asked for only now and then.
constexpr int kQuickAttempts = 4;
constexpr milliseconds kSlowRetry{10000};
constexpr std::array<IpAddress::Family, 2> kFamilies{IpAddress::Family::kV4,
                                                     IpAddress::Family::kV6};

// One question about a name on a link: its addresses of one family, its port and its text.
struct Question {
  std::unique_ptr<Query> query;
  int attempts = 0;
  bool answered = false;
  bool failed = false;
  steady_clock::time_point asked;
};

// A name on an interface: announced over IPv4, IPv6 or both.
struct Presence {
  std::uint64_t order = 0;
  std::array<bool, 2> over{};
  std::array<Question, 2> questions;
};

struct Waiting {
  int attempts = 0;
  std::uint64_t order = 0;
  const std::string* name = nullptr;
  Link link;
  Question* question = nullptr;
};

std::size_t index_of(IpAddress::Family family) {
  return family == kFamilies[0] ? 0 : 1;
}

}  // namespace

// Avahi's callbacks only note what they heard; tick() opens and closes questions and tells.
struct Browser::State : std::enable_shared_from_this<Browser::State> {
  explicit State(Network& net)
      : network(net),
        ticker(net.poll(), [this] { tick(); }),
        retry(net.poll(), [this] { retry_failed(kQuickAttempts); }),
        slow_retry(net.poll(), [this] { retry_failed(std::numeric_limits<int>::max()); }),
        rescan(net.poll(), [this] { browse(); }) {}

  void soon(milliseconds delay = kTick) { ticker.start_if_idle(delay); }
  void browse();
  void quiet();
  void heard(const std::optional<Sighting>& sighting);
  void went(const Sighting& sighting);
  void forget(const std::string& name);
  void give_up();
  void ask();
  void ask(const std::string& name, const Link& link, Question& question);
  void retry_failed(int attempts_below);
  void tick();

  Network& network;
  Timer ticker;
  Timer retry;
  Timer slow_retry;
  Timer rescan;
  std::string type;
  SourceSink sink;  // empty: stopped
  std::uint64_t turn = 0;
  std::uint64_t heard_count = 0;
  std::optional<ServiceTable> table;
  std::optional<bool> told_available;
  std::vector<std::unique_ptr<Query>> browses;
  // Bounded by the table: only what it took in is here.
  std::map<std::pair<std::string, std::uint32_t>, Presence> present;
};

// Also called to look again for names that a full table had dropped.
void Browser::State::browse() {
  browses.clear();
  Backend* backend = network.backend();
  if (backend == nullptr || !sink) {
    return;
  }
  table->reset_overflow();
  for (const std::uint32_t interface : network.interfaces()) {
    auto query = backend->browse(interface, type, [this](const auto& s) { heard(s); });
    if (query) {
      browses.push_back(std::move(query));
    }
  }
  if (browses.empty()) {
    rescan.start(kRescan);
  }
  soon(milliseconds(0));
}

void Browser::State::quiet() {
  browses.clear();
  present.clear();
  retry.stop();
  slow_retry.stop();
  rescan.stop();
  if (table) {
    table->clear();
  }
}

void Browser::State::heard(const std::optional<Sighting>& sighting) {
  if (!sighting) {
    rescan.start_if_idle(kRescan);
    return;
  }
  if (!sighting->present) {
    went(*sighting);
    return;
  }
  const auto& [name, interface] = std::pair(sighting->name, sighting->link.interface);
  const auto result = table->announced(name, interface);
  if (result.evicted) {
    forget(*result.evicted);
  }
  if (result.seen != ServiceTable::Seen::kDropped) {
    const auto [place, is_new] = present.try_emplace({name, interface});
    if (is_new) {
      place->second.order = ++heard_count;
    }
    place->second.over.at(index_of(sighting->link.family)) = true;
    soon();
  }
}

void Browser::State::went(const Sighting& sighting) {
  const auto found = present.find({sighting.name, sighting.link.interface});
  if (found == present.end()) {
    return;
  }
  auto& over = found->second.over;
  over.at(index_of(sighting.link.family)) = false;
  if (over[0] || over[1]) {
    return;
  }
  present.erase(found);
  table->withdrawn(sighting.name, sighting.link.interface);
  if (table->overflowed() && table->has_room()) {
    rescan.start_if_idle(kRescan);
  }
  soon();
}

void Browser::State::forget(const std::string& name) {
  const auto first = present.lower_bound({name, 0});
  auto last = first;
  while (last != present.end() && last->first.first == name) {
    ++last;
  }
  present.erase(first, last);
}

// Names that were asked for least come first, and of those the latest: names that never answer do
// not keep the others waiting.
void Browser::State::ask() {
  std::size_t open = 0;
  std::vector<Waiting> waiting;
  for (auto& [key, presence] : present) {
    for (const IpAddress::Family family : kFamilies) {
      Question& question = presence.questions.at(index_of(family));
      open += question.query && !question.answered ? 1U : 0U;
      if (!question.query && !question.failed) {
        const int turn_of_family = family == kFamilies[0] ? 0 : 1;
        waiting.push_back({question.attempts + turn_of_family, presence.order, &key.first,
                           Link{key.second, family}, &question});
      }
    }
  }
  std::sort(waiting.begin(), waiting.end(), [](const Waiting& a, const Waiting& b) {
    return a.attempts != b.attempts ? a.attempts < b.attempts : a.order > b.order;
  });
  for (const Waiting& next : waiting) {
    if (open++ >= kMaxUnanswered) {
      return;
    }
    ask(*next.name, next.link, *next.question);
  }
}

void Browser::State::ask(const std::string& name, const Link& link, Question& question) {
  question.attempts = std::min(question.attempts + 1, kQuickAttempts);
  question.answered = false;
  question.failed = false;
  question.asked = steady_clock::now();
  question.query = network.backend()->resolve(
      link, name, [this, name, link, &question](const std::optional<Resolved>& resolved) {
        if (resolved) {
          question.answered = true;
          question.attempts = 1;
          table->resolved(name, link, *resolved);
        } else {
          question.failed = true;
          table->unresolved(name, link);
        }
        soon();
      });
  question.failed = question.failed || !question.query;
}

void Browser::State::retry_failed(int attempts_below) {
  for (auto& [key, presence] : present) {
    for (Question& question : presence.questions) {
      question.failed = question.failed && question.attempts >= attempts_below;
    }
  }
  soon(milliseconds(0));
}

// Closes questions without an answer, and sees to it that they are asked again.
void Browser::State::give_up() {
  const auto now = steady_clock::now();
  for (auto& [key, presence] : present) {
    for (Question& question : presence.questions) {
      if (question.query && !question.answered && !question.failed) {
        question.failed = now - question.asked >= kPatience;
        soon(kTick * 5);
      }
      if (!question.failed) {
        continue;
      }
      question.query.reset();
      if (question.attempts < kQuickAttempts) {
        retry.start_if_idle(kRetry);
      } else {
        slow_retry.start_if_idle(kSlowRetry);
      }
    }
  }
}

void Browser::State::tick() {
  const auto self = shared_from_this();
  const auto this_turn = turn;
  give_up();
  if (network.backend() != nullptr) {
    ask();
  }
  std::vector<SourceEvent> events = table->take_events();
  if (told_available != network.running()) {
    told_available = network.running();
    events.insert(events.begin(), Looking{*told_available, network.reason()});
  }
  const SourceSink tell = sink;
  for (const SourceEvent& event : events) {
    tell(event);
    if (turn != this_turn) {
      return;  // stopped, started anew or destroyed by the sink
    }
  }
}

Browser::Browser(Network& network) : state_(std::make_shared<State>(network)) {
  network.attach(*this);
}

Browser::~Browser() {
  stop();
  state_->network.detach(*this);
}

Result<void, Error> Browser::start(std::string_view type, SourceSink sink) {
  if (!sink || (!type.empty() && !is_device_type(type))) {
    return fail(Error{Error::Code::kMisuse, "no such type of device"});
  }
  stop();
  state_->type = type;
  state_->sink = std::move(sink);
  state_->table.emplace(state_->type, state_->network.options().loopback);
  state_->told_available.reset();
  state_->browse();
  state_->soon(milliseconds(0));
  return {};
}

void Browser::stop() {
  ++state_->turn;
  state_->quiet();
  state_->ticker.stop();
  state_->sink = nullptr;
}

void Browser::backend_up() {
  if (state_->sink) {
    state_->browse();
  }
}

void Browser::backend_down() {
  state_->quiet();
  if (state_->sink) {
    state_->soon(milliseconds(0));
  }
}

struct HostLookup::State {
  State(Network& net, HostName name, OnDone done)
      : network(net),
        host(std::move(name)),
        on_done(std::move(done)),
        finish_timer(net.poll(), [this] { finish(); }) {}

  void ask();
  void finish();

  Network& network;
  HostName host;
  OnDone on_done;
  Timer finish_timer;
  std::vector<std::unique_ptr<Query>> queries;
  std::vector<Endpoint> found;
};

void HostLookup::State::ask() {
  for (const std::uint32_t interface : network.interfaces()) {
    for (const IpAddress::Family family : kFamilies) {
      auto query = network.backend()->resolve_host(
          {interface, family}, host.text(), [this](const std::optional<Endpoint>& answer) {
            if (!answer || !is_candidate(answer->address, network.options().loopback) ||
                found.size() >= kMaxEndpoints) {
              return;
            }
            Endpoint endpoint = *answer;
            endpoint.interface = endpoint.address.is_link_local() ? endpoint.interface : 0;
            if (std::find(found.begin(), found.end(), endpoint) == found.end()) {
              found.push_back(endpoint);
            }
            // Others may answer as well, but not much later.
            finish_timer.start(kTick);
          });
      if (query) {
        queries.push_back(std::move(query));
      }
    }
  }
}

void HostLookup::State::finish() {
  queries.clear();
  std::sort(found.begin(), found.end(), better_endpoint);
  // The handler may destroy this object.
  const OnDone done = std::exchange(on_done, nullptr);
  const std::vector<Endpoint> result = std::exchange(found, {});
  if (done) {
    done(result);
  }
}

HostLookup::HostLookup(Network& network, const HostName& host, milliseconds timeout, OnDone on_done)
    : state_(std::make_unique<State>(network, host, std::move(on_done))) {
  state_->finish_timer.start(timeout);
  network.attach(*this);
}

HostLookup::~HostLookup() {
  state_->network.detach(*this);
}

void HostLookup::backend_up() {
  if (state_->on_done) {
    state_->ask();
  }
}

void HostLookup::backend_down() {
  state_->queries.clear();
}

}  // namespace latchkey::discovery
