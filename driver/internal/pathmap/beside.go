package pathmap

// besideBudget bounds what is written beside the ops of one transaction, in bytes.
const besideBudget = 2 << 20

// beside is how many bytes are written beside an op.
func (op Op) beside() (n int) {
	for _, v := range op.Beside {
		n += len(v)
	}
	return n
}

func (r *writeRequest) beside() (n int) {
	for _, op := range r.ops {
		n += op.beside()
	}
	return n
}

// putBeside adds to the transaction what is written beside an op.
func (m *Map) putBeside(op Op) error {
	for k, v := range op.Beside {
		if v == nil {
			if err := m.ledger.Delete(m.ctx, k); err != nil {
				return err
			}
		} else if err := m.ledger.Put(m.ctx, k, v); err != nil {
			return err
		}
	}
	return nil
}

// tellOnDisk calls OnDisk of all ops that a transaction has committed.
func tellOnDisk(group []*writeRequest) {
	for _, req := range group {
		for _, op := range req.ops {
			if op.OnDisk != nil {
				op.OnDisk()
			}
		}
	}
}
