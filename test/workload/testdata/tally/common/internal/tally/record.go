package tally

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	tallyv1 "example.com/tally/gen/tally/v1"
	"example.com/tally/internal/gen/store"
)

// Record implements tally.v1.TallyService.Record.
func (s *TallyService) Record(ctx context.Context, req *tallyv1.RecordRequest) (*tallyv1.RecordResponse, error) {
	resp := &tallyv1.RecordResponse{}
	err := s.db.InTx(ctx, func(ctx context.Context, tx *store.Tx) error {
		version, err := count(ctx, tx, req.GetOp(), req.GetKey())
		if err != nil {
			return err
		}
		resp.Version = version
		err = s.events.Recorded(tx, &tallyv1.Recorded{Op: req.GetOp(), Key: req.GetKey(), Version: version})
		if err != nil {
			return err
		}
		switch req.GetFate() {
		case tallyv1.Fate_FATE_FAIL:
			return status.Error(codes.Aborted, "as asked")
		case tallyv1.Fate_FATE_PANIC:
			panic("as asked")
		case tallyv1.Fate_FATE_LATE:
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return resp, nil
}
