/* A detour over the main loop, for what belongs there. */
#include "base/mem.h"
#include "console_inside.h"

struct main_call {
    struct loop_post post;
    struct request *request;
    void (*call)(struct request *request);
};

static void run_home(struct loop *loop, struct loop_post *post)
{
    (void)loop;
    struct main_call *main = CONTAINER_OF(post, struct main_call, post);
    struct request *request = main->request;
    mem_free(main);
    request_done(request);
}

static void run_call(struct loop *loop, struct loop_post *post)
{
    (void)loop;
    struct main_call *main = CONTAINER_OF(post, struct main_call, post);
    main->call(main->request);
    main->post = (struct loop_post){.run = run_home};
    if (loop_post(main->request->loop, &main->post))
        return;
    request_drop(main->request);
    mem_free(main);
}

void main_call(struct request *request, void (*call)(struct request *request))
{
    struct main_call *main = mem_zero(1, sizeof(*main));
    main->post.run = run_call;
    main->request = request;
    main->call = call;
    if (loop_post(console_world.config.main_loop, &main->post))
        return;
    mem_free(main);
    request_fail(request, "57P01", "pgrecall is shutting down");
    request_done(request);
}
