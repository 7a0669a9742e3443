#include "platform/anchor_plan.h"

#include <algorithm>

#include "base/result.h"

namespace latchkey::platform {
namespace {

bool by_nickname(const WantedAnchor& a, const WantedAnchor& b) {
  return a.nickname < b.nickname;
}

}  // namespace

AnchorPlan plan_anchors(const std::vector<WantedAnchor>& wanted,
                        const std::vector<FoundAnchor>& found) {
  LATCHKEY_CHECK(std::is_sorted(wanted.begin(), wanted.end(), by_nickname));
  std::vector<bool> there(wanted.size(), false);
  AnchorPlan plan;
  for (const FoundAnchor& one : found) {
    const auto want = std::lower_bound(wanted.begin(), wanted.end(),
                                       WantedAnchor{one.nickname, {}, {}}, by_nickname);
    if (want == wanted.end() || want->nickname != one.nickname) {
      plan.remove.push_back(one.digest);
    } else if (want->digest == one.digest) {
      const auto index = static_cast<std::size_t>(want - wanted.begin());
      there[index] = there[index] || one.trusted;
    } else if (std::find(want->also.begin(), want->also.end(), one.digest) == want->also.end()) {
      plan.remove.push_back(one.digest);
    }
  }
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (!there[i]) {
      plan.add.push_back(&wanted[i]);
    }
  }
  return plan;
}

}  // namespace latchkey::platform
