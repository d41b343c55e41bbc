/* Blackjack-v1: Sutton and Barto, example 5.1, as in Gymnasium's toy_text/blackjack.py with
 * sab=True (the registered default): an infinite deck, a natural beats all but a natural.
 * Thread: the owner's of the vector environment. */
#include "env/env.h"

#include <math.h>

typedef struct hand {
    int32_t sum;   /* an ace counts 1 */
    int32_t cards; /* how many */
    int32_t ace;   /* whether it holds one */
} hand;

typedef struct blackjack_state {
    hand player, dealer;
    int32_t dealer_shows; /* the dealer's first card, 1 to 10 */
} blackjack_state;

/* Adds one of ace, 2 to 10, jack, queen, king, alike likely; returns its points. */
static int32_t draw(hand *h, rlt_rng *rng) {
    int32_t card = (int32_t)rlt_rng_below(rng, 13) + 1;
    card = card > 10 ? 10 : card;
    h->sum += card;
    h->cards++;
    h->ace |= card == 1;
    return card;
}

static bool usable_ace(const hand *h) {
    return h->ace && h->sum + 10 <= 21;
}

static int32_t total(const hand *h) {
    return h->sum + (usable_ace(h) ? 10 : 0);
}

static int32_t score(const hand *h) {
    return total(h) > 21 ? 0 : total(h);
}

static bool natural(const hand *h) {
    return h->cards == 2 && h->ace && h->sum == 11;
}

static void observe(const blackjack_state *s, float *observation) {
    observation[0] = (float)total(&s->player);
    observation[1] = (float)s->dealer_shows;
    observation[2] = usable_ace(&s->player) ? 1.0f : 0.0f;
}

static void reset(void *context, void *state, rlt_rng *rng, float *observation) {
    (void)context;
    blackjack_state *s = state;
    *s = (blackjack_state){0};
    s->dealer_shows = draw(&s->dealer, rng);
    draw(&s->dealer, rng);
    draw(&s->player, rng);
    draw(&s->player, rng);
    observe(s, observation);
}

/* The dealer draws to 17; then the scores are compared. */
static float settle(blackjack_state *s, rlt_rng *rng) {
    while (total(&s->dealer) < 17) {
        draw(&s->dealer, rng);
    }
    if (natural(&s->player) && !natural(&s->dealer)) {
        return 1.0f;
    }
    int32_t player = score(&s->player), dealer = score(&s->dealer);
    return (float)((player > dealer) - (player < dealer));
}

static bool step(void *context, void *state, rlt_rng *rng, const void *action, float *observation,
                 float *reward) {
    (void)context;
    blackjack_state *s = state;
    bool hit = *(const int32_t *)action == 1, terminated = true;
    if (hit) {
        draw(&s->player, rng);
        terminated = total(&s->player) > 21;
        *reward = terminated ? -1.0f : 0.0f;
    } else {
        *reward = settle(s, rng);
    }
    observe(s, observation);
    return terminated;
}

static const int counts[3] = {32, 11, 2}; /* player's sum, dealer's card, usable ace */

const rlt_env_def rlt_env_blackjack = {
    .api_version = RLT_ENV_API_VERSION,
    .name = "Blackjack-v1",
    .help = "Stick or hit: come closer to 21 than the dealer.",
    .observation_space = {RLT_SPACE_MULTI_DISCRETE, 3, NULL, NULL, counts},
    .action_space = {RLT_SPACE_DISCRETE, 2, NULL, NULL, NULL},
    .max_episode_steps = 0,
    .reward_threshold = NAN,
    .state_size = sizeof(blackjack_state),
    .reset = reset,
    .step = step,
};
